import { Type } from '@sinclair/typebox';
import { Elysia, t } from 'elysia';
import { guard } from '../plugins/auth.ts';
import type { Origins } from '../plugins/proxies.ts';
import type { AuthService } from '../services/auth.service.ts';
import type { MessageChanges } from '../services/message-changes.ts';
import { AsUser, MessageIdParam } from '../types/queries.ts';
import { NewContent, problemReplies, StoredMessage, usual } from '../types/rest.ts';
import { expected } from '../types/text.ts';

const params = t.Object({ id: MessageIdParam });
const reaction = t.Object({
  id: MessageIdParam,
  emoji: Type.String({ description: expected.emoji, examples: ['👍'] }),
});
const response = {
  200: StoredMessage,
  ...problemReplies(...usual, 'conflict', 'too_long', 'overloaded'),
};
const security = [{ bearer: [] }];

/** Each answers with the message as it now is, whether or not that changed anything. */
export function messageChangeRoutes(parts: {
  auth: AuthService;
  origins: Origins;
  changes: MessageChanges;
}) {
  const { auth, changes } = parts;
  return new Elysia({ name: 'message-changes', tags: ['messages'] })
    .use(parts.origins)
    .use(guard(auth))
    .patch(
      '/messages/:id',
      async ({ identity, origin: { address }, query: { username }, params: { id }, body }) => {
        const visitor = await auth.visitor(identity, { username, address });
        return changes.edit(visitor, id, body.content);
      },
      {
        params,
        query: AsUser,
        parse: 'json',
        body: NewContent,
        response,
        detail: {
          summary: 'Say a message otherwise',
          description: 'For its author and admins. Everyone in the room gets it as it now is.',
          security,
        },
      },
    )
    .delete(
      '/messages/:id',
      async ({ identity, origin: { address }, query: { username }, params: { id } }) => {
        const visitor = await auth.visitor(identity, { username, address });
        return changes.delete(visitor, id);
      },
      {
        params,
        query: AsUser,
        response,
        detail: {
          summary: 'Take a message back',
          description:
            'For its author and admins. Its place in the room stays, with `deletedAt`; what it said is gone.',
          security,
        },
      },
    )
    .put(
      '/messages/:id/reactions/:emoji',
      async ({ identity, origin: { address }, query: { username }, params: { id, emoji } }) => {
        const visitor = await auth.visitor(identity, { username, address });
        return changes.react(visitor, id, { emoji });
      },
      {
        params: reaction,
        query: AsUser,
        response,
        detail: { summary: 'React to a message', security },
      },
    )
    .delete(
      '/messages/:id/reactions/:emoji',
      async ({ identity, origin: { address }, query: { username }, params: { id, emoji } }) => {
        const visitor = await auth.visitor(identity, { username, address });
        return changes.react(visitor, id, { emoji, remove: true });
      },
      {
        params: reaction,
        query: AsUser,
        response,
        detail: { summary: 'Take a reaction back', security },
      },
    );
}
