import type { Dialect, Member } from './dialect.ts';

/** The position of the letter that distinguishes the relevant frames from others, such as an `ack`. */
export const TELLING = 9;
const MESSAGE = 'm'.charCodeAt(0);
const JOINED = 'j'.charCodeAt(0);
const CHANGES = 'c'.charCodeAt(0);
export const ERROR = 'e'.charCodeAt(0);
/** The pause before a refused join is tried again. */
const PAUSE_MS = 200;
const REV = Buffer.from('"rev":');

/** Our protocol, which the peers written for this benchmark use too. */
export const json: Dialect = { connect: (member) => connect(member, {}) };

/** Our protocol, with live changes in batches. */
export const batched: Dialect = { connect: (member) => connect(member, { batch: true }) };

function connect({ name: username, room, send, joined }: Member, more: object) {
  let isIn = false;
  const join = () =>
    send(JSON.stringify({ type: 'join', username, protocol: 1, room, since: '$', ...more }));
  return {
    join,
    message: (id: string, content: string) =>
      JSON.stringify({ type: 'message', room, content, id }),
    receive(buffer: Buffer, from: number, to: number) {
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

/** Counts the changes of a batch by its first and last `rev`, since these rise by one. */
function changesIn(buffer: Buffer, from: number, to: number): number {
  const revAt = (at: number) =>
    Number.parseInt(buffer.toString('latin1', at + REV.length, at + REV.length + 16), 10);
  return revAt(buffer.lastIndexOf(REV, to)) - revAt(buffer.indexOf(REV, from)) + 1;
}
