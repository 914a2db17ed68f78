/**
 * Preloaded into a server: once the file that `FAULT` names is there, the thread of the embedded
 * database meets the fault that is written in it, at the next sync, and says so by a file `.met`.
 */
import fs from 'node:fs';

export type Fault =
  /** The disk answers with an error. */
  | 'io error'
  /** The thread ends. */
  | 'exit'
  /** The thread throws an error outside of any query. */
  | 'throw'
  /** The disk does not answer. */
  | 'hang';

const { FAULT: place = '' } = process.env;

if (Bun.isMainThread) {
  // A thread inherits no preloads.
  globalThis.Worker = class extends globalThis.Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, { ...options, preload: [import.meta.path] });
    }
  };
} else {
  const { fsyncSync } = fs;
  fs.fsyncSync = (fd) => {
    const fault = fs.existsSync(place) && (fs.readFileSync(place, 'utf8') as Fault);
    if (fault) fs.writeFileSync(`${place}.met`, '');
    if (fault === 'io error') throw Object.assign(new Error('EIO'), { code: 'EIO' });
    if (fault === 'exit') process.exit(9);
    if (fault === 'throw') {
      setTimeout(() => {
        throw new Error('out of luck');
      });
    }
    if (fault === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    fsyncSync(fd);
  };
}
