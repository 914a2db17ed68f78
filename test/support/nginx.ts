import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

export const nginx = Bun.which('nginx') ?? Bun.which('nginx', { PATH: '/usr/sbin' });

const example = new URL('../../examples/nginx.conf', import.meta.url).pathname;

/**
 * The nginx of examples/, in front of two servers on this machine.
 *
 * @param ports of the servers
 */
export async function startNginx(ports: [number, number]) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'ws-chat-nginx-'));
  const replacements: [string, string][] = [
    ['server chat-1:3000', `server 127.0.0.1:${ports[0]}`],
    ['server chat-2:3000', `server 127.0.0.1:${ports[1]}`],
    ['listen 80;', `listen 127.0.0.1:${port};`],
    ['http {', `http {\n${temporaryPaths(folder)}`],
  ];
  let config = readFileSync(example, 'utf8');
  for (const [from, to] of replacements) {
    if (!config.includes(from)) throw new Error(`examples/nginx.conf has no "${from}"`);
    config = config.replace(from, to);
  }
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, config);
  const globals = `daemon off; pid ${join(folder, 'pid')}; error_log ${join(folder, 'log')};`;
  const command = [nginx ?? '', '-c', file, '-p', folder, '-e', join(folder, 'log'), '-g', globals];
  const child = Bun.spawn(command, { stdout: 'ignore', stderr: 'inherit' });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/health`).catch(() => undefined))) {
    if (child.exitCode !== null)
      throw new Error(`nginx ended: ${readFileSync(join(folder, 'log'))}`);
    await Bun.sleep(20);
  }
  return {
    url,
    ws: `${url.replace('http', 'ws')}/ws`,
    async stop() {
      child.kill('SIGTERM');
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function temporaryPaths(folder: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((what) => `${what}_temp_path ${join(folder, what)};`)
    .concat('access_log off;')
    .join('\n');
}
