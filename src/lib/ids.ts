/** Draws ids. Every part is handed the same source, so that tests can repeat a run. */
export interface Ids {
  /** An id that is unique over all servers. */
  uuid(): string;
}

export const systemIds: Ids = { uuid: () => crypto.randomUUID() };
