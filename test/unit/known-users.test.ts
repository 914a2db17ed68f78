import { expect, test } from 'bun:test';
import type { UserState } from '../../src/protocol/identity.ts';
import { KnownUsers } from '../../src/users/known-users.ts';

function ana(version: number): UserState {
  return {
    ...{ id: 1, username: 'Ana', role: 'user', version, tokensEndedAt: 0 },
    ...{ isAccount: false, hasPassword: false, isBanned: false },
  };
}

const found = (version: number) => () => Promise.resolve(ana(version));

/** Looks ana up; news and doubts come before the answer. */
async function lookUp(users: KnownUsers, version: number, meanwhile: () => void, isInSync = true) {
  const looking = users.lookUp(
    'ana',
    async () => {
      meanwhile();
      return ana(version);
    },
    isInSync,
  );
  return (await looking).version;
}

test('a user that was looked up is known, with all news since', async () => {
  const users = new KnownUsers();
  expect(users.get('ana')).toBeUndefined();
  await users.lookUp('ana', found(1), true);
  expect(users.get('ana')?.version).toBe(1);
  expect(users.hear(ana(3)).version).toBe(3);
  expect(users.hear(ana(2)).version).toBe(3);
  expect(users.get('ana')?.version).toBe(3);
});

test('news alone does not make a user known, since later news may have come before it', async () => {
  const users = new KnownUsers();
  users.hear(ana(1));
  expect(users.get('ana')).toBeUndefined();
});

test('a look-up without all news, or amid a doubt, makes no user known', async () => {
  const users = new KnownUsers();
  expect(await lookUp(users, 1, () => {}, false)).toBe(1);
  expect(users.get('ana')).toBeUndefined();
  expect(await lookUp(users, 1, () => users.doubt())).toBe(1);
  expect(users.get('ana')).toBeUndefined();
});

test('news that comes during a look-up counts if it is newer', async () => {
  const users = new KnownUsers();
  expect(await lookUp(users, 1, () => users.hear(ana(2)))).toBe(2);
  expect(users.get('ana')?.version).toBe(2);
  users.doubt();
  expect(await lookUp(users, 4, () => users.hear(ana(3)))).toBe(4);
  expect(users.get('ana')?.version).toBe(4);
});

test('late news after a doubt does not replace newer news of before', async () => {
  const users = new KnownUsers();
  await users.lookUp('ana', found(1), true);
  users.hear(ana(3));
  users.doubt();
  expect(users.hear(ana(2)).version).toBe(3);
  expect(users.get('ana')).toBeUndefined();
});

test('an older state is believed when the database has gone back', async () => {
  const users = new KnownUsers();
  await users.lookUp('ana', found(5), true);
  users.doubt();
  await users.lookUp('ana', found(3), true);
  expect(users.get('ana')?.version).toBe(3);
});
