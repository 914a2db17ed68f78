import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

export type WorkerRequest = { open: string; socketPath: string } | 'close';
export type WorkerReply = { ok: true } | { error: string };

declare const self: Worker;

let opened: { database: PGlite; server: PGLiteSocketServer } | undefined;

async function handle(request: WorkerRequest): Promise<void> {
  if (request === 'close') {
    await opened?.server.stop();
    await opened?.database.close();
    return;
  }
  const database = await PGlite.create(request.open);
  const server = new PGLiteSocketServer({ db: database, path: request.socketPath });
  await server.start();
  opened = { database, server };
}

self.onmessage = async ({ data }: MessageEvent<WorkerRequest>) => {
  const reply: WorkerReply = await handle(data).then(
    () => ({ ok: true }),
    (error) => ({ error: `the embedded database cannot be opened: ${error?.message ?? error}` }),
  );
  self.postMessage(reply);
};
