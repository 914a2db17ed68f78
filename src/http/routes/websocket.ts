import { Elysia } from 'elysia';
import { ChatError } from '../../errors.ts';
import type { Limits } from '../../limits/limits.ts';
import type { Identity } from '../../protocol/identity.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { credentialOf } from '../plugins/auth.ts';
import { checkOrigin } from '../plugins/browsers.ts';
import { isHandshake } from '../plugins/front-door.ts';
import type { Origins } from '../plugins/proxies.ts';

export interface UpgradeParts {
  auth: AuthService;
  limits: Limits;
  origins: Origins;
  allowedOrigins: '*' | string[];
  /** @returns whether the request asked for a WebSocket and now has one */
  upgrade(request: Request, handshake: { identity: Identity; address: string }): boolean;
}

/**
 * The handshake of `/ws`. A plain route rather than Elysia's `.ws`, which parses frames by guessing,
 * lets them overtake each other, and makes a wrapper with a dozen closures for each event.
 */
export function webSocketRoute({ auth, limits, origins, allowedOrigins, upgrade }: UpgradeParts) {
  return new Elysia({ name: 'websocket' }).use(origins).get(
    '/ws',
    async ({ request, origin: { address, isSecure }, headers }) => {
      try {
        checkOrigin(request, isSecure, allowedOrigins);
        // Guests are admitted even in AUTH=required, since their token may come with the join.
        const identity = await auth.identify(credentialOf(headers, request.url));
        checkHandshake(request);
        if (!upgrade(request, { identity, address })) throw notAHandshake();
      } catch (error) {
        // Successful handshakes have limits of their own.
        if (isHandshake(request)) limits.checkRequest(address);
        throw error;
      }
    },
    { detail: { hide: true } },
  );
}

/** The base64 of 16 bytes: RFC 6455, section 4.1. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * Refuses handshakes that the runtime would accept, or answer in its own way.
 *
 * @throws {ChatError} `upgrade_required` without a handshake of version 13, `invalid_frame`
 */
function checkHandshake(request: Request): void {
  const { headers } = request;
  if (!isHandshake(request)) throw notAHandshake();
  if (headers.get('sec-websocket-version') !== '13') {
    throw new ChatError('upgrade_required', '"Sec-WebSocket-Version" must be 13');
  }
  if (!KEY.test(headers.get('sec-websocket-key') ?? '')) {
    throw new ChatError('invalid_frame', '"Sec-WebSocket-Key" must be 16 bytes as base64');
  }
  if (headers.has('sec-websocket-protocol')) {
    throw new ChatError(
      'invalid_frame',
      '"Sec-WebSocket-Protocol" must be left out: the server has no subprotocols',
    );
  }
  if (headers.get('host')?.includes(',')) {
    throw new ChatError('invalid_frame', 'The request must have one "Host"');
  }
}

function notAHandshake(): ChatError {
  return new ChatError(
    'upgrade_required',
    'This path accepts only WebSocket handshakes; see /ws-info.',
  );
}
