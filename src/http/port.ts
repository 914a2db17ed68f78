import { lookup } from 'node:dns/promises';

interface Listening {
  host: string;
  port: number;
}

/**
 * Listens for a moment, so that a start without a free port fails before a database is created.
 *
 * @throws {Error} a line that names the setting to change
 */
export async function checkPort({ host, port }: Listening): Promise<void> {
  try {
    await lookup(host);
    const server = Bun.serve({ hostname: host, port, fetch: () => new Response() });
    await server.stop(true);
  } catch (error) {
    throw listenError(error, { host, port });
  }
}

/** The reason why the server cannot listen, in a line that names the setting to change. */
export function listenError(error: unknown, { host, port }: Listening): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EADDRINUSE':
      return new Error(
        `PORT: ${port} on ${host} is in use by another program; stop that one, or set PORT to a free port`,
      );
    case 'EACCES':
      return new Error(`PORT: this user may not listen on ${port}; set PORT to 1024 or more`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Error(
        `HOST: ${host} is not an address of this machine; set HOST to one that is, such as 127.0.0.1, or 0.0.0.0 for all`,
      );
    default:
      return new Error(`HOST, PORT: cannot listen on ${host}, port ${port}: ${message}`);
  }
}
