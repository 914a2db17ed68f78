import { afterAll } from 'bun:test';

const ends: (() => Promise<unknown>)[] = [];

/** Ends the parts that the files of a run share, once the last of them is done. */
export function atEnd(end: () => Promise<unknown>): void {
  ends.push(end);
}

// Hooks of a module that many files import would run for the first of them alone; this one is loaded before any.
afterAll(() => Promise.all(ends.splice(0).map((end) => end())));
