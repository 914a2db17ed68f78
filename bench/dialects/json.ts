import type { Dialect, Member } from './dialect.ts';

/** Which letter tells the frames that matter from others, such as an `ack`. */
export const TELLING = 9;
const MESSAGE = 'm'.charCodeAt(0);
const JOINED = 'j'.charCodeAt(0);
const CHANGES = 'c'.charCodeAt(0);
export const ERROR = 'e'.charCodeAt(0);
/** A server that has no time for a join is asked again. */
const PAUSE_MS = 200;
const REV = Buffer.from('"rev":');

/** Ours, and that of the peers that are written for this benchmark. */
export const json: Dialect = { speak: (member) => speak(member, {}) };

/** Ours, with live changes in batches. */
export const batched: Dialect = { speak: (member) => speak(member, { batch: true }) };

function speak({ name: username, room, send, joined }: Member, more: object) {
  let isIn = false;
  const join = () =>
    send(JSON.stringify({ type: 'join', username, protocol: 1, room, since: '$', ...more }));
  return {
    join,
    message: (id: string, content: string) =>
      JSON.stringify({ type: 'message', room, content, id }),
    hear(buffer: Buffer, from: number, to: number) {
      const type = buffer[from + TELLING];
      if (type === MESSAGE) return 1;
      if (type === CHANGES) return changesIn(buffer, from, to);
      if (type === JOINED) {
        isIn = true;
        joined();
      } else if (type === ERROR && !isIn) setTimeout(join, PAUSE_MS);
      return 0;
    },
  };
}

/** The `rev`s of a batch rise by one, so the first and the last tell how many there are. */
function changesIn(buffer: Buffer, from: number, to: number): number {
  const revAt = (at: number) =>
    Number.parseInt(buffer.toString('latin1', at + REV.length, at + REV.length + 16), 10);
  return revAt(buffer.lastIndexOf(REV, to)) - revAt(buffer.indexOf(REV, from)) + 1;
}
