// SPDX-License-Identifier: LGPL-2.1-or-later
// node replay.js PROGRAM.js RECORDING MS [APDU...]: runs the program with a USBDevice that plays a recording
// (ccidlog(5)). Each answer comes after MS milliseconds. Timers settle the promises: no answer comes before the event
// loop has had a turn.
"use strict";
const fs = require("fs");
const path = require("path");
const [program, recording, ms, ...apdus] = process.argv.slice(2);
const lines = fs.readFileSync(recording, "utf8").split("\n");
const bytes = text => text.trim().split(/\s+/);
const head = word => Uint8Array.from(bytes(lines.find(l => l.startsWith(word + " ")).slice(word.length)),
	h => parseInt(h, 16));
const talk = lines.filter(l => /^(->|<-) /.test(l)).map(l => ({ out: l[0] === "-", bytes: bytes(l.slice(3)) }));
const later = value => new Promise(done => setTimeout(done, Number(ms), value));
const descriptors = { 0x0100: head("device"), 0x0200: head("configuration") };
let seq = 0;
let turns = 0;

class ReplayedDevice {
	async controlTransferIn(setup, length) {
		const d = setup.requestType === "standard" && setup.request === 6 ? descriptors[setup.value] : undefined;
		const data = d && d.slice(0, length);
		return later(d ? { status: "ok", data: new DataView(data.buffer) } : { status: "stall" });
	}
	async transferOut(endpoint, data) {
		const next = talk.shift();
		seq = data[6];
		const same = next && next.out && next.bytes.length === data.length &&
			next.bytes.every((h, i) => (h === "ss" ? seq : parseInt(h, 16)) === data[i]);
		turns++;
		return later(same ? { status: "ok", bytesWritten: data.length } : { status: "stall", bytesWritten: 0 });
	}
	async transferIn(endpoint, length) {
		const next = talk.shift();
		if (!next || next.out)
			throw new Error("NetworkError");
		const data = Uint8Array.from(next.bytes, h => h === "ss" ? seq : parseInt(h, 16)).slice(0, length);
		turns++;
		return later({ status: "ok", data: new DataView(data.buffer) });
	}
}

process.on("exit", () => console.log(`transfers ${turns}`));
// node's fetch() does not read files, and programs of older emscripten use fetch() when it exists.
delete globalThis.fetch;
require(path.resolve(program))({
	device: new ReplayedDevice(),
	arguments: apdus,
});
