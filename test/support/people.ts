import { generateKeyPair } from 'jose';
import { fresh, type TestServer } from './server.ts';
import { type KeyServer, mint, tampered, unsigned } from './tokens.ts';

export const API_KEY = 'key-of-the-back-end';

/** A public and a private room of one owner, and the names of the users that enter them. */
export interface Scene {
  open: string;
  closed: string;
  owner: string;
  ownerToken: string;
  /** An account outside the rooms, and a token of hers that was never shown. */
  ana: string;
  again: string;
  /** A name without a token. */
  guest: string;
  /** The ids of the owner's messages in the two rooms, and of ana's in the public one; 0 for none. */
  said: { open: number; closed: number; byAna: number };
}

/** A requester: its name, and the credential that it shows. */
export interface Someone {
  self: string;
  token?: string;
}

/** @param isSaid whether anything is said in it, which takes a while */
export async function makeScene(server: TestServer, isSaid = false): Promise<Scene> {
  const [ana, guest, owner] = [fresh('ana'), fresh('guest'), fresh('owner')];
  const [open, closed] = [fresh('open'), fresh('closed')];
  const ownerToken = await mint({ sub: owner });
  await Promise.all([
    // Named by a token she is an account; a guest is made by a back end, in either mode.
    mint({ sub: ana }).then((token) => server.request('GET', '/rooms', token)),
    server.request('POST', '/users', API_KEY, { username: guest }),
    server.request('POST', '/rooms', ownerToken, { name: open }),
    server.request('POST', '/rooms', ownerToken, { name: closed, private: true }),
  ]);
  const say = async (username: string, token: string, room: string) => {
    const message = { username, room, content: 'said' };
    const posted = await server.request('POST', '/messages', token, message);
    return (await posted.json()).id as number;
  };
  const said = isSaid
    ? {
        open: await say(owner, ownerToken, open),
        closed: await say(owner, ownerToken, closed),
        byAna: await say(ana, await mint({ sub: ana }), open),
      }
    : { open: 0, closed: 0, byAna: 0 };
  // Issued after all that is ended in the scene.
  const again = await mint({ sub: ana, iat: Date.now() / 1000 + 60 });
  return { open, closed, owner, ownerToken, ana, again, guest, said };
}

/** An account that is a member of both rooms, perhaps muted or banned by the owner. */
async function member(scene: Scene, server: TestServer, more: string[] = []): Promise<Someone> {
  const self = fresh('member');
  const token = await mint({ sub: self });
  await server.request('GET', '/rooms', token);
  for (const room of [scene.open, scene.closed]) {
    for (const what of ['members', ...more]) {
      await server.request('PUT', `/rooms/${room}/${what}/${self}`, scene.ownerToken);
    }
  }
  return { self, token };
}

const { privateKey: unknownKey } = await generateKeyPair('ES256');

/** All requesters; those with a bad token claim to be ana. */
export function peopleOf(server: TestServer, keyServer: KeyServer) {
  const account = async (sub: string, claims: object = {}): Promise<Someone> => ({
    self: sub,
    token: await mint({ sub, ...claims }),
  });
  const asAna =
    (make: (sub: string) => Promise<string>) =>
    async ({ ana }: Scene): Promise<Someone> => ({ self: ana, token: await make(ana) });
  return {
    guest: async ({ guest }: Scene): Promise<Someone> => ({ self: guest }),
    account: ({ ana }: Scene) => account(ana),
    'another account': () => account(fresh('other')),
    admin: () => account(fresh('admin'), { role: 'admin' }),
    'API key': async ({ ana }: Scene): Promise<Someone> => ({ self: ana, token: API_KEY }),
    owner: async ({ owner, ownerToken }: Scene) => ({ self: owner, token: ownerToken }),
    member: (scene: Scene) => member(scene, server),
    muted: (scene: Scene) => member(scene, server, ['mutes']),
    banned: (scene: Scene) => member(scene, server, ['bans']),
    'banned from the server': async (scene: Scene) => {
      const someone = await member(scene, server);
      await server.request('PUT', `/users/${someone.self}/ban`, API_KEY);
      return someone;
    },
    'expired token': asAna((sub) => mint({ sub, exp: Date.now() / 1000 - 1 })),
    'tampered token': asAna(async (sub) => tampered(await mint({ sub: 'someone' }), sub)),
    'foreign key': asAna((sub) => {
      const { issuer: iss, audience: aud } = keyServer.foreignKeys;
      return mint({ sub, iss, aud }, unknownKey, { alg: 'ES256', kid: 'key-1' });
    }),
    'wrong audience': asAna((sub) => keyServer.sign({ sub, aud: 'mail' })),
    'alg: none': asAna(async (sub) => unsigned({ sub })),
    'ended session': asAna(async (sub) => {
      const token = await mint({ sub });
      await server.request('DELETE', '/sessions', token);
      return token;
    }),
  };
}

export type Who = keyof ReturnType<typeof peopleOf>;
