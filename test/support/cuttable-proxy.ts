import { afterAll } from 'bun:test';
import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy in front of a database, so that a test can take the line away without harm to others. */
export interface CuttableProxy {
  /** The same database, through the proxy. */
  url: string;
  /** Ends every connection and refuses new ones until {@link CuttableProxy.mend}. */
  cut(): void;
  /** Cuts when the database answers with this text, which is not passed on. */
  cutAtAnswer(text: string): void;
  mend(): Promise<void>;
  /** How much has passed, both ways. */
  bytes(): number;
}

export async function cuttableProxy(target: string): Promise<CuttableProxy> {
  const to = new URL(target);
  const links = new Set<Socket>();
  let fatal: string | undefined;
  let passed = 0;
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
      from.on('data', (bytes) => {
        if (from === database && fatal && bytes.includes(fatal)) {
          fatal = undefined;
          cut();
        } else {
          passed += bytes.length;
          into.write(bytes);
        }
      });
      from.on('error', () => {});
      from.on('close', () => {
        links.delete(from);
        into.destroy();
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
    mend: () => listen(port),
    bytes: () => passed,
  };
}
