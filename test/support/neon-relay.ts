import { neonConfig } from '@neondatabase/serverless';
import { connect, type Socket } from 'bun';

interface Link {
  tcp?: Socket;
  early: Uint8Array[];
}

/**
 * Stands in for Neon's proxy: accepts the WebSockets of the real driver and passes their bytes to a real
 * Postgres.
 *
 * @param postgres the URL of the database that is to look like Neon's
 * @returns a URL under neon.tech that leads there, and `stop`
 */
export function relayNeon(postgres: string): { url: string; stop(): Promise<void> } {
  const { hostname, port, pathname, username } = new URL(postgres);
  const relay = Bun.serve<Link, never>({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, server) =>
      server.upgrade(request, { data: { early: [] } })
        ? undefined
        : new Response('a WebSocket is expected', { status: 400 }),
    websocket: {
      async open(ws) {
        ws.data.tcp = await connect({
          hostname,
          port: Number(port || 5432),
          socket: {
            data: (_, bytes) => void ws.send(bytes),
            close: () => ws.close(),
            error: () => ws.close(),
          },
        });
        for (const bytes of ws.data.early.splice(0)) ws.data.tcp.write(bytes);
      },
      message(ws, message) {
        const bytes = new Uint8Array(Buffer.from(message));
        if (ws.data.tcp) ws.data.tcp.write(bytes);
        else ws.data.early.push(bytes);
      },
      close: (ws) => void ws.data.tcp?.end(),
    },
  });
  neonConfig.wsProxy = () => `127.0.0.1:${relay.port}/v2`;
  neonConfig.useSecureWebSocket = false;
  neonConfig.pipelineTLS = false;
  // The pipelined password is for Neon's own way of signing in.
  neonConfig.pipelineConnect = false;
  return {
    url: `postgres://${username}:any@ep-test-1234.eu-central-1.aws.neon.tech${pathname}`,
    stop: () => relay.stop(true),
  };
}
