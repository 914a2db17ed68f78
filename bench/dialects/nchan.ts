import { type Dialect, shownMessage } from './dialect.ts';

const BRACE = '{'.charCodeAt(0);

/** Nchan: who is connected is in the channel of the address, and each frame is one message. */
export const nchan: Dialect = {
  speak: (member) => ({
    join: () => member.joined(),
    message: (id, content) => shownMessage(member, id, content),
    // What is no JSON is a report to the sender.
    hear: (buffer, from) => (buffer[from] === BRACE ? 1 : 0),
  }),
};
