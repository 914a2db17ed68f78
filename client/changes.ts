import { ChatError } from './error.ts';
import type { ChatMessage } from './messages.ts';
import type { Change, Item } from './outbox.ts';
import { lazy } from './part.ts';
import type { Reaction, StoredMessage } from './protocol.ts';
import type { Room } from './room.ts';
import type { OutboxFrame } from './store/store.ts';

const history = lazy(() => import('./history.ts'));

type Without<Frame, Field extends string> = Frame extends unknown ? Omit<Frame, Field> : never;

/** An edit, a deletion or a reaction. */
export type Action = Without<Extract<OutboxFrame, { messageId: number }>, 'messageId'>;

/**
 * Changes a message of a room. Resolves with the message when the server has changed it.
 *
 * @param given a stored message, whose own frame may still be on its way
 */
export async function change(room: Room, given: ChatMessage, action: Action): Promise<ChatMessage> {
  const { outbox } = room.host;
  const message = room.list.find(given.id ?? 0) ?? given;
  const { id, seq, rev } = message;
  if (!id || !seq || !rev) throw new ChatError('not_found', 'Only a stored message can change');
  const frame: OutboxFrame = { ...action, messageId: id };
  const item = outbox.create({ room: room.key, frame, seq, rev });
  const { apply } = prepare(room, item);
  await outbox.add(item);
  return room.messages.find((each) => each.id === id) ?? { ...given, ...apply(message) };
}

/** Gives an item of the outbox its {@link Change}. */
export function prepare(room: Room, item: Item): Change {
  const { outbox } = room.host;
  const check = async () => {
    // It must not be sent before the check is done.
    item.state = 'checking';
    const { findMessage } = await history();
    const message = await findMessage(room, item.frame.messageId ?? 0, item.seq ?? 0);
    // If the message is gone, the server answers that.
    if (!message || message.rev === item.rev) outbox.wait(item);
    else if (isDone(item, message, room.host.username)) {
      outbox.settle(item, {});
      outbox.discard(item);
    } else outbox.fail(item, 'conflict', 'The message was changed meanwhile');
  };
  const change: Change = {
    apply: (message) => ({ ...message, ...effect(item, message, room.host.username) }),
    // If the message cannot be loaded, the server decides.
    check: () => void check().catch(() => outbox.wait(item)),
    acked({ rev }) {
      // The user's other changes of this message were made with this one in mind.
      for (const other of outbox.of(room.key)) {
        const isSame = other.frame.messageId === item.frame.messageId && other.rev === item.rev;
        if (isSame && rev && other !== item) other.rev = rev;
      }
    },
  };
  item.change = change;
  return change;
}

function effect({ frame, at }: Item, message: Partial<ChatMessage>, username: string) {
  const time = new Date(at).toISOString();
  if (frame.type === 'edit') return { content: frame.content, editedAt: time };
  if (frame.type === 'delete') return { content: '', data: null, reactions: [], deletedAt: time };
  if (frame.type === 'react') {
    return { reactions: react(message.reactions ?? [], frame, username) };
  }
}

function react(
  reactions: Reaction[],
  { emoji, remove }: { emoji: string; remove?: boolean },
  username: string,
): Reaction[] {
  const reaction = reactions.find((each) => each.emoji === emoji);
  const others = reaction?.usernames.filter((name) => name !== username) ?? [];
  const isThere = others.length < (reaction?.usernames.length ?? 0);
  if (isThere === !remove) return reactions;
  const count = (reaction?.count ?? 0) + (remove ? -1 : 1);
  const changed = { emoji, count, usernames: remove ? others : [...others, username] };
  const rest = reactions.map((each) => (each === reaction ? changed : each));
  return (reaction ? rest : [...rest, changed]).filter((each) => each.count > 0);
}

/** Whether a message is already as the item would make it. */
function isDone({ frame }: Item, { content, deletedAt, reactions }: StoredMessage, by: string) {
  if (frame.type === 'edit') return content === frame.content;
  if (frame.type === 'delete') return deletedAt !== undefined;
  if (frame.type !== 'react') return false;
  const reaction = reactions?.find(({ emoji }) => emoji === frame.emoji);
  return Boolean(reaction?.usernames.includes(by)) !== Boolean(frame.remove);
}
