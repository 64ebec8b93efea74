/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SIM_RECORD_FOLDER_H
#define SIM_RECORD_FOLDER_H

/* The folder of ccid-sim record's socket. It is private, so that no other user can send events, and locked as long as a
 * process of the recorder lives. */
struct record_folder {
	char path[32], socket[48];
	int lock;	/* descriptor of this process and those that it forks, until they exec */
};

/* Makes the folder and its socket, and removes the folders of this user's recorders that were killed. Returns the
 * listening socket, which the caller closes, or -1 and errno. */
int record_folder_listen(struct record_folder *f);

/* Removes the socket and the folder; without effect when they are not there. */
void record_folder_remove(const struct record_folder *f);

#endif
