import { describe, expect, test } from 'bun:test';
import { parseRoomName, parseUsername } from '../../src/protocol/checks.ts';

const characters = Array.from({ length: 0x110000 }, (_, point) => point)
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point));

function keyOf(name: string): string | undefined {
  try {
    return parseUsername(name).key;
  } catch {
    return undefined;
  }
}

const isRoom = (name: string) => {
  try {
    parseRoomName(name);
    return true;
  } catch {
    return false;
  }
};

test('rooms have only letters of ASCII in their names, of either case, and no sign that lower-cases to one', () => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  expect(characters.filter(isRoom).sort().join('')).toBe(
    [...`0123456789${letters}_.:-`].sort().join(''),
  );
  expect(parseRoomName('Tea.Room')).toBe('tea.room');
});

describe('users', () => {
  test('are the same in every spelling that NFKC and lower case make equal, such as the Kelvin sign and "k"', () => {
    for (const [one, other] of [
      ['\u212A', 'k'],
      ['\u212Bngström', 'ångström'],
      ['\uFF41na', 'Ana'],
      ['e\u0301', 'É'],
      ['ﬁn', 'FIN'],
      ['\u0130', 'i\u0307'],
    ] as const) {
      expect({ one, key: keyOf(one) }).toEqual({ one, key: keyOf(other) as string });
    }
  });

  test('have no other user by the name that is their key, whatever the letter', () => {
    const unstable = characters.filter((each) => {
      const key = keyOf(`a${each}`);
      return key !== undefined && keyOf(key) !== key;
    });
    expect(unstable).toEqual([]);
  });
});
