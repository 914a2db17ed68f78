import { type Dialect, shownMessage } from './dialect.ts';

const BRACE = '{'.charCodeAt(0);

/** Nchan: every connection is in the channel of its URL, and each frame is one message. */
export const nchan: Dialect = {
  connect: (member) => ({
    join: () => member.joined(),
    message: (id, content) => shownMessage(member, id, content),
    // A frame that is not JSON is a report to the sender.
    receive: (buffer, from) => (buffer[from] === BRACE ? 1 : 0),
  }),
};
