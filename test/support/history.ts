import type { StoredMessage } from '../../src/protocol/message.ts';

export type Stored = StoredMessage & { clientId: string };

/** Every message of a room, as it is stored. @throws when the server does not answer, or refuses */
export async function history(url: string, room: string): Promise<Stored[]> {
  const all: Stored[] = [];
  for (;;) {
    const response = await fetch(
      `${url}/messages?room=${room}&limit=100&after=${all.at(-1)?.seq ?? 0}`,
    );
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    const page: Stored[] = await response.json();
    all.push(...page);
    if (page.length < 100) return all;
  }
}
