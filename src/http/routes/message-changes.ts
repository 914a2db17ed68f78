import { Elysia } from 'elysia';
import type { ChatService } from '../../chat/chat.service.ts';
import { StoredMessage } from '../../protocol/message.ts';
import { problemReplies, usual } from '../../protocol/problems.ts';
import { NewContent } from '../../protocol/rest.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { describe } from '../describe.ts';
import { json } from '../input.ts';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import { AsUser, MessageParams, ReactionParams } from '../queries.ts';

const response = {
  200: StoredMessage,
  ...problemReplies(...usual, 'banned', 'muted', 'conflict', 'too_long', 'overloaded'),
};

/** Edits, deletions and reactions; each replies with the message in its present state, changed or not. */
export function messageChangeRoutes(parts: {
  auth: AuthService;
  origins: Origins;
  chat: ChatService;
}) {
  const { auth, chat } = parts;
  return new Elysia({ name: 'message-changes', tags: ['messages'] })
    .use(parts.origins)
    .use(guard(auth))
    .patch(
      '/messages/:id',
      async ({ identity, origin: { address }, query: { username }, params: { id }, body }) => {
        const principal = await auth.principal(identity, { username, address });
        return chat.edit(principal, id, body.content);
      },
      {
        params: MessageParams,
        query: AsUser,
        ...json(NewContent),
        response,
        detail: describe(
          'editMessage',
          'Edit a message',
          'For its author and admins. Everyone in the room gets the changed message.',
        ),
      },
    )
    .delete(
      '/messages/:id',
      async ({ identity, origin: { address }, query: { username }, params: { id } }) => {
        const principal = await auth.principal(identity, { username, address });
        return chat.delete(principal, id);
      },
      {
        params: MessageParams,
        query: AsUser,
        response,
        detail: describe(
          'deleteMessage',
          'Delete a message',
          'For its author and admins. The content is erased; the message keeps its `seq` and gets `deletedAt`.',
        ),
      },
    )
    .put(
      '/messages/:id/reactions/:emoji',
      async ({ identity, origin: { address }, query: { username }, params: { id, emoji } }) => {
        const principal = await auth.principal(identity, { username, address });
        return chat.react(principal, id, { emoji });
      },
      {
        params: ReactionParams,
        query: AsUser,
        response,
        detail: describe(
          'addReaction',
          'React to a message',
          'A message holds up to 20 different emoji. Repeating a reaction changes nothing.',
        ),
      },
    )
    .delete(
      '/messages/:id/reactions/:emoji',
      async ({ identity, origin: { address }, query: { username }, params: { id, emoji } }) => {
        const principal = await auth.principal(identity, { username, address });
        return chat.react(principal, id, { emoji, remove: true });
      },
      {
        params: ReactionParams,
        query: AsUser,
        response,
        detail: describe(
          'removeReaction',
          'Remove a reaction',
          'Removes the user’s own reaction. Without one, nothing changes.',
        ),
      },
    );
}
