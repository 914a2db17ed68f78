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

  test('builds, from a clean folder, a server that starts, is healthy, keeps its data in the volume, and stops', async () => {
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

  test('runs the server without root, open to the outside, with data that it owns', () => {
    expect(image.user).toBe('bun');
    expect(image.env.HOST).toBe('0.0.0.0');
    expect(read('Dockerfile')).toContain(`--chown=${image.user}:${image.user} /app/data /data`);
  });

  test('contains the files that the server needs and no others', () => {
    const files = ['client', 'node_modules', 'package.json', 'public', 'src'];
    expect(readdirSync(app).sort()).toEqual(files);
    for (const left of ['typescript', 'drizzle-kit', 'playwright-core', '@biomejs']) {
      expect(existsSync(join(app, 'node_modules', left))).toBe(false);
    }
  });

  test('uses the version of Bun that package.json names', () => {
    const { packageManager } = JSON.parse(read('package.json'));
    for (const from of image.from)
      expect(from).toStartWith(`oven/${packageManager.replace('@', ':')}-`);
  });
});

describe('compose.yaml', () => {
  type Service = {
    profiles?: string[];
    ports?: string[];
    env_file?: { path: string; required: boolean }[];
    build?: string;
    image?: string;
    environment?: Record<string, string | number>;
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

  /** With the variables of a `.env` put in, as Compose does. */
  const filledIn = (text: string, env: Record<string, string> = {}) =>
    text.replace(/\$\{(\w+):-(.*?)\}/g, (_, name, fallback) => env[name] || fallback);

  test('is one server with the embedded database, and with the profile two behind nginx', () => {
    const of = (profile?: string) =>
      all.filter(([, { profiles }]) => profiles?.[0] === profile).map(([name]) => name);
    expect(of()).toEqual(['chat']);
    expect(of('cluster').sort()).toEqual(['chat-1', 'chat-2', 'nginx', 'postgres', 'redis']);
  });

  test('publishes to this machine alone unless it is asked otherwise, and no port twice', () => {
    const published = (env: Record<string, string>) =>
      all.flatMap(([, { ports = [] }]) => ports.map((port) => filledIn(port, env)));
    expect(published({})).toEqual(['127.0.0.1:3000:3000', '127.0.0.1:3001:80']);
    expect(published({ HOST: '0.0.0.0', PORT: '80', CLUSTER_PORT: '81' })).toEqual([
      '0.0.0.0:80:3000',
      '0.0.0.0:81:80',
    ]);
  });

  test('names files, volumes and services that exist', () => {
    for (const [name, service] of all) {
      expect(service.build === undefined, name).toBe(service.image !== undefined);
      if (service.build) expect(existsSync(join(root, service.build, 'Dockerfile'))).toBe(true);
      for (const volume of service.volumes ?? []) {
        const [source = ''] = volume.split(':');
        const isThere = source.startsWith('.') ? existsSync(join(root, source)) : source in volumes;
        expect(isThere, volume).toBe(true);
      }
      for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(services[needed]?.profiles).toEqual(service.profiles as string[]);
        const isChecked = services[needed]?.healthcheck ?? services[needed]?.build;
        if (condition === 'service_healthy') expect(isChecked, needed).toBeDefined();
      }
    }
  });

  test('gives each server the settings of .env, and listens and keeps its data where the container does', () => {
    const example = read('.env.example');
    const dotEnv = Object.fromEntries(
      [...example.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    for (const [name, { build, environment = {}, env_file }] of all) {
      if (!build) continue;
      expect(env_file, name).toEqual([{ path: '.env', required: false }]);
      for (const outside of [{}, { ...dotEnv, API_KEY: 'key-of-the-back-end' }]) {
        const inside = Object.entries(environment).map(([key, value]) => [
          key,
          filledIn(`${value}`),
        ]);
        const settings = readSettings({ ...outside, ...Object.fromEntries(inside) });
        expect(settings).toMatchObject({ host: '0.0.0.0', port: 3000, dataDir: '/data' });
        expect(settings.apiKey).toBe('API_KEY' in outside ? 'key-of-the-back-end' : undefined);
        expect(settings.redisUrl === undefined, name).toBe(name === 'chat');
        for (const url of [settings.databaseUrl, settings.redisUrl]) {
          if (url) expect(Object.keys(services)).toContain(new URL(url).hostname);
        }
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
