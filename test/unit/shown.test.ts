import { expect, test } from 'bun:test';
import { ShownMessages } from '../../src/live/feed.ts';
import type { StoredMessage } from '../../src/protocol/message.ts';

function change(seq: number, rev = seq): StoredMessage {
  const createdAt = new Date(0).toISOString();
  const who = { userId: 1, username: 'ana', content: 'x' };
  return { id: seq, room: 'general', seq, rev, createdAt, ...who };
}

/** The `seq`s of the changes that protocol 0 is shown, of some after `rev` 5. */
function shownOf(changes: StoredMessage[]): number[] {
  const shown = new ShownMessages();
  let before = 5;
  return changes.flatMap((message) => {
    const isNew = shown.take(message, before);
    before = message.rev;
    return isNew ? message.seq : [];
  });
}

test('a message that was changed before it could be shown is shown once, behind newer ones too', () => {
  expect(shownOf([change(7), change(6, 8), change(6, 9), change(10)])).toEqual([7, 6, 10]);
});

test('a change of a message that was shown shows nothing, however far ahead it is', () => {
  expect(shownOf([change(6), change(3, 9), change(6, 10), change(4, 11)])).toEqual([6]);
});
