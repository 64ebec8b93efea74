/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SANDBOX_CALLS_H
#define SANDBOX_CALLS_H

/* The system calls that the unit of pcscd 2.5.3 leaves (@system-service, less @resources and @privileged), as systemd
 * 252 knows the groups ("systemd-analyze syscall-filter"): without what sandbox.c allows with some arguments alone, and
 * without what the other restrictions take away: namespaces, device nodes, and scheduling by deadline. */
#define SANDBOX_CALLS \
	"systemd-analyze syscall-filter_llseek _newselect accept accept4 access add_key alarm arch_prctl " \
	"arm_fadvise64_64 bind brk cacheflush capget chdir clock_getres clock_getres_time64 clock_gettime " \
	"clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range dup dup2 " \
	"dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait " \
	"epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 " \
	"fadvise64_64 fallocate fchdir fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr " \
	"fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_time64 " \
	"futex_waitv futimesat get_mempolicy get_robust_list get_thread_area getcpu getcwd getdents getdents64 " \
	"getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid " \
	"getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit " \
	"getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr inotify_add_watch " \
	"inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents " \
	"io_pgetevents_time64 io_setup io_submit io_uring_enter io_uring_register io_uring_setup ioctl ioprio_get " \
	"ipc kcmp keyctl kill lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat " \
	"lstat64 madvise membarrier memfd_create mlock mlock2 mlockall mq_getsetattr mq_notify mq_open " \
	"mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap msgctl msgget " \
	"msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat oldfstat oldlstat " \
	"oldolduname oldstat olduname open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 poll ppoll " \
	"ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_madvise process_vm_readv process_vm_writev " \
	"pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readdir readlink readlinkat readv recv " \
	"recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr rename renameat renameat2 " \
	"request_key restart_syscall riscv_flush_icache riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending " \
	"rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 " \
	"rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr " \
	"sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_yield select " \
	"semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto " \
	"set_robust_list set_thread_area set_tid_address set_tls setfsgid setfsgid32 setgid setgid32 setitimer " \
	"setpgid setregid setregid32 setresgid setresgid32 setsid setsockopt setxattr shmctl shmdt shmget shutdown " \
	"sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend socketpair " \
	"splice stat stat64 statfs statfs64 statx swapcontext symlink symlinkat sync sync_file_range " \
	"sync_file_range2 syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime " \
	"timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 " \
	"timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat " \
	"userfaultfd utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev"

#endif
