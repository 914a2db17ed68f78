import { afterAll } from 'bun:test';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy in front of a database, so that a test can cut connections without harm to other tests. */
export interface CuttableProxy {
  /** The same database, through the proxy. */
  url: string;
  /** Ends every connection and refuses new ones until {@link CuttableProxy.mend}. */
  cut(): void;
  /** Cuts when the database answers with this text, which is not passed on. */
  cutAtAnswer(text: string): void;
  /** From now on ends each connection that sends this text, which is not passed on; the others stay. */
  refuse(text: string): void;
  /** Passes everything on again. */
  mend(): Promise<void>;
  /** Lets nothing pass, on open connections and on new ones, until {@link CuttableProxy.release}; all stays open. */
  hold(): void;
  release(): void;
  /** The bytes that have passed, in both directions. */
  bytes(): number;
}

export async function cuttableProxy(target: string): Promise<CuttableProxy> {
  const to = new URL(target);
  const links = new Set<Socket>();
  let fatal: string | undefined;
  let refused: string | undefined;
  let passed = 0;
  let isHeld = false;
  const cut = () => {
    server.close();
    for (const link of links) link.destroy();
  };
  const server = createServer((client) => {
    const database = connect(Number(to.port || 5432), to.hostname);
    for (const [from, into] of [
      [client, database],
      [database, client],
    ] as const) {
      links.add(from);
      if (isHeld) from.pause();
      from.on('data', (bytes) => {
        if (from === database && fatal && bytes.includes(fatal)) {
          fatal = undefined;
          cut();
        } else if (from === client && refused && bytes.includes(refused)) {
          client.destroy();
        } else {
          passed += bytes.length;
          into.write(bytes);
        }
      });
      from.on('error', () => {});
      from.on('close', () => {
        links.delete(from);
        // Bytes that a held connection still has arrive before it ends.
        into.end();
      });
    }
  });
  const listen = (port: number) =>
    new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  await listen(0);
  const { port } = server.address() as { port: number };
  afterAll(cut);
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    cut,
    cutAtAnswer: (text) => {
      fatal = text;
    },
    refuse: (text) => {
      refused = text;
    },
    async mend() {
      refused = undefined;
      if (!server.listening) await listen(port);
    },
    hold() {
      isHeld = true;
      for (const link of links) link.pause();
    },
    release() {
      isHeld = false;
      for (const link of links) link.resume();
    },
    bytes: () => passed,
  };
}
