import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { postgresOptions } from './synced-files.ts';

export type WorkerRequest = { open: string; socketPath: string } | 'close';
export type WorkerReply = { ok: true } | { error: string } | { panic: string };

declare const self: Worker;

/** The worker's exit code when Postgres has given up: EX_IOERR of sysexits.h. */
const GIVEN_UP = 74;

let opened: { database: PGlite; server: PGLiteSocketServer } | undefined;
/** Why Postgres gave up, in its own words. */
let panic: string | undefined;

async function handle(request: WorkerRequest): Promise<void> {
  if (request === 'close') {
    await opened?.server.stop();
    await opened?.database.close();
    return;
  }
  const database = await PGlite.create({
    ...postgresOptions(request.open),
    onStderr(line) {
      panic = /\b(?:PANIC|FATAL):\s+(.+)/.exec(line)?.[1] ?? panic;
      return false;
    },
  });
  // PGlite catches the exception of an abort, and then waits for ever for an answer.
  database.Module.onAbort = () => {
    reply({ panic: panic ?? 'it aborted' });
    process.exit(GIVEN_UP);
  };
  const server = new PGLiteSocketServer({ db: database, path: request.socketPath });
  await server.start();
  opened = { database, server };
}

function reply(message: WorkerReply): void {
  self.postMessage(message);
}

self.onmessage = ({ data }: MessageEvent<WorkerRequest>) =>
  handle(data).then(
    () => reply({ ok: true }),
    (error) => reply({ error: panic ?? error?.message ?? String(error) }),
  );
