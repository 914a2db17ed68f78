import { Elysia } from 'elysia';
import { ChatError } from '../../errors.ts';
import type { Limits } from '../../limits/limits.ts';
import type { Identity } from '../../protocol/identity.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { credentialOf } from '../plugins/auth.ts';
import { checkOrigin } from '../plugins/browsers.ts';
import type { Origin, Origins } from '../plugins/proxies.ts';

export interface UpgradeParts {
  auth: AuthService;
  limits: Limits;
  allowedOrigins: '*' | string[];
  /** @returns whether the request asked for a WebSocket and now has one */
  upgrade(request: Request, handshake: { identity: Identity; address: string }): boolean;
}

interface RouteParts extends Pick<UpgradeParts, 'auth' | 'allowedOrigins'> {
  origins: Origins;
}

/**
 * Turns the handshakes of `/ws` into WebSockets. The runtime's own are used rather than Elysia's `.ws`, which parses
 * frames by guessing, lets them overtake each other, and makes a wrapper with a dozen closures for each event.
 *
 * @returns a function that throws the {@link ChatError} of a refused handshake: at once for a bad token, since waiting
 *   would make a flood of them a quarter more expensive
 */
export function webSocketDoor({ auth, limits, allowedOrigins, upgrade }: UpgradeParts) {
  const open = async (request: Request, address: string, credential: string | undefined) => {
    // Guests are admitted even in AUTH=required, since their token may come with the join.
    const identity = await auth.identify(credential);
    checkHandshake(request);
    if (!upgrade(request, { identity, address })) throw notAHandshake();
  };
  const refuse = (address: string, error: unknown): never => {
    // Successful handshakes have limits of their own.
    limits.checkRequest(address);
    throw error;
  };
  return (request: Request, { address, isSecure }: Origin): Promise<void> => {
    try {
      checkOrigin(request, isSecure, allowedOrigins);
      const credential = credentialIn(request);
      auth.checkSignature(credential);
      return open(request, address, credential).catch((error) => refuse(address, error));
    } catch (error) {
      return refuse(address, error);
    }
  };
}

/** Refuses requests for `/ws` that are no handshakes. */
export function webSocketRoute({ auth, allowedOrigins, origins }: RouteParts) {
  return new Elysia({ name: 'websocket' }).use(origins).get(
    '/ws',
    async ({ request, origin: { isSecure } }) => {
      checkOrigin(request, isSecure, allowedOrigins);
      await auth.identify(credentialIn(request));
      throw notAHandshake();
    },
    { detail: { hide: true } },
  );
}

function credentialIn({ headers, url }: Request): string | undefined {
  return credentialOf({ authorization: headers.get('authorization') ?? undefined }, url);
}

/** The base64 of 16 bytes: RFC 6455, section 4.1. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/**
 * Refuses handshakes that the runtime would accept, or answer in its own way.
 *
 * @throws {ChatError} `upgrade_required` for another version than 13, `invalid_frame`
 */
function checkHandshake({ headers }: Request): void {
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
