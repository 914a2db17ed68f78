import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSettings } from '../../src/config.ts';
import { buildImage, environmentOf, type Image } from '../support/dockerfile.ts';
import { freePort } from '../support/free-port.ts';
import { temporaryFolder } from '../support/process.ts';

const root = new URL('../../', import.meta.url).pathname;
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('the Dockerfile', () => {
  const folder = temporaryFolder();
  let image: Image;
  let app: string;
  beforeAll(() => {
    image = buildImage(folder);
    app = join(image.folder, image.workdir);
  });

  test('its steps, taken in a clean folder, make a server that starts, is healthy, keeps its data in the volume, and stops', async () => {
    const port = await freePort();
    const [volume = ''] = image.volumes;
    expect(image.env.DATA_DIR).toBe(volume);
    const data = join(image.folder, volume);
    expect(readdirSync(data)).toEqual([]);
    const env = { ...environmentOf(image), PORT: `${port}`, DATA_DIR: data };
    const server = Bun.spawn(image.command, { cwd: app, env, stdout: 'pipe', stderr: 'inherit' });
    afterAll(() => server.kill('SIGKILL'));
    const check = () =>
      Bun.spawnSync(image.healthCheck, { cwd: app, env, stderr: 'ignore' }).exitCode;
    // Not before it serves.
    expect(check()).not.toBe(0);
    for await (const line of server.stdout.pipeThrough(new TextDecoderStream() as never)) {
      if (`${line}`.includes('ready')) break;
    }
    expect(check()).toBe(0);
    const page = await fetch(`http://127.0.0.1:${port}/test`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<html')]);
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    expect(readdirSync(data).length).toBeGreaterThan(0);
  });

  test('its server does not run as root, listens to the outside, and owns its data', () => {
    expect(image.user).toBe('bun');
    expect(image.env.HOST).toBe('0.0.0.0');
    expect(read('Dockerfile')).toContain(`--chown=${image.user}:${image.user} /app/data /data`);
  });

  test('holds what the server needs and nothing else', () => {
    expect(readdirSync(app).sort()).toEqual(['node_modules', 'package.json', 'public', 'src']);
    for (const left of ['typescript', 'drizzle-kit', 'playwright-core', '@biomejs']) {
      expect(existsSync(join(app, 'node_modules', left))).toBe(false);
    }
  });

  test('is made with the Bun that package.json names', () => {
    const { packageManager } = JSON.parse(read('package.json'));
    for (const from of image.from)
      expect(from).toStartWith(`oven/${packageManager.replace('@', ':')}-`);
  });
});

describe('compose.yaml', () => {
  type Service = {
    profiles: string[];
    build?: string;
    image?: string;
    environment?: Record<string, string>;
    depends_on?: Record<string, { condition: string }>;
    volumes?: string[];
    healthcheck?: object;
  };
  const { services, volumes, networks } = Bun.YAML.parse(read('compose.yaml')) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
    networks: { default: { ipam: { config: [{ subnet: string }] } } };
  };
  const all = Object.entries(services);

  test('has one server with the embedded database, and two behind nginx with Postgres and Redis', () => {
    const of = (profile: string) =>
      all.filter(([, { profiles }]) => profiles.includes(profile)).map(([name]) => name);
    expect(of('embedded')).toEqual(['chat']);
    expect(of('cluster').sort()).toEqual(['chat-1', 'chat-2', 'nginx', 'postgres', 'redis']);
  });

  test('names files, volumes and services that are there', () => {
    for (const [name, service] of all) {
      expect(service.build === undefined, name).toBe(service.image !== undefined);
      if (service.build) expect(existsSync(join(root, service.build, 'Dockerfile'))).toBe(true);
      for (const volume of service.volumes ?? []) {
        const [source = ''] = volume.split(':');
        const isThere = source.startsWith('.') ? existsSync(join(root, source)) : source in volumes;
        expect(isThere, volume).toBe(true);
      }
      for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(services[needed]?.profiles).toEqual(service.profiles);
        const isChecked = services[needed]?.healthcheck ?? services[needed]?.build;
        if (condition === 'service_healthy') expect(isChecked, needed).toBeDefined();
      }
    }
  });

  test('gives each server settings that it takes, once the secret is set', () => {
    for (const [name, { build, environment = {} }] of all) {
      if (!build) continue;
      const env = Object.fromEntries(
        Object.entries(environment).map(([key, value]) => [
          key,
          value.replace(/\$\{(\w+):-(.*?)\}/g, (_, variable, fallback) =>
            variable === 'AUTH_SECRET' ? 'x'.repeat(32) : fallback,
          ),
        ]),
      );
      const settings = readSettings(env);
      expect(settings.redisUrl === undefined, name).toBe(name === 'chat');
      for (const url of [settings.databaseUrl, settings.redisUrl]) {
        if (url) expect(Object.keys(services)).toContain(new URL(url).hostname);
      }
    }
    const { subnet } = networks.default.ipam.config[0];
    expect(services['chat-1']?.environment?.TRUST_PROXY).toBe(subnet);
  });

  test('nginx knows the servers by their names', () => {
    const upstream = [...read('examples/nginx.conf').matchAll(/server ([\w-]+):3000/g)];
    expect(upstream.map(([, name]) => name)).toEqual(['chat-1', 'chat-2']);
  });
});
