import type { OutboxEntry, OutboxStore } from '../../client/index.ts';

/** The outbox that a page leaves behind, as JSON: that of the next one begins with it. */
export function memoryStore(): OutboxStore & { readonly unsent: number } {
  const kept = new Map<string, string>();
  return {
    /** The kept items that were not refused for good. */
    get unsent() {
      return [...kept.values()].filter((text) => !JSON.parse(text).error).length;
    },
    load: async () =>
      [...kept.values()].map((text): OutboxEntry => JSON.parse(text)).sort((a, b) => a.at - b.at),
    put: async (entry) => void kept.set(entry.id, JSON.stringify(entry)),
    delete: async (id) => void kept.delete(id),
  };
}
