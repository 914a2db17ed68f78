import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Glob } from 'bun';

const root = new URL('../../', import.meta.url).pathname;

/** A container of the image, as the Dockerfile describes it. */
export interface Image {
  /** The folder that stands for `/`. */
  folder: string;
  workdir: string;
  env: Record<string, string>;
  user: string;
  /** The images that its stages begin with. */
  from: string[];
  volumes: string[];
  command: string[];
  healthCheck: string[];
}

/**
 * Goes through the steps of a Dockerfile in a folder, where no Docker engine runs: each stage is a folder,
 * in which its files are laid and its commands run. The programs are those of this machine.
 *
 * @param folder an empty one
 * @throws for a step that fails, or that it does not know
 */
export function buildImage(folder: string): Image {
  /** Their folders. */
  const stages = new Map<string, string>();
  const image: Image = {
    folder: '',
    workdir: '/',
    env: {},
    user: 'root',
    from: [],
    volumes: [],
    command: [],
    healthCheck: [],
  };
  const at = (path: string) => join(image.folder, path.startsWith('/') ? '' : image.workdir, path);

  for (const [instruction, rest] of steps()) {
    switch (instruction) {
      case 'FROM': {
        const [base = '', , name = 'last'] = rest.split(' ');
        image.from.push(base);
        Object.assign(image, { folder: join(folder, name), workdir: '/', env: {}, user: 'root' });
        mkdirSync(image.folder);
        stages.set(name, image.folder);
        break;
      }
      case 'WORKDIR':
        image.workdir = rest;
        mkdirSync(at(rest), { recursive: true });
        break;
      case 'ENV':
        for (const [name = '', value = ''] of rest.split(' ').map((pair) => pair.split('='))) {
          image.env[name] = value;
        }
        break;
      case 'COPY': {
        const words = rest.split(' ');
        const flags = words.filter((word) => word.startsWith('--'));
        const paths = words.filter((word) => !word.startsWith('--'));
        const to = paths.pop() as string;
        const stage = flags.find((flag) => flag.startsWith('--from='))?.slice(7);
        for (const path of paths) {
          const source = stage ? join(stages.get(stage) ?? '', path) : inContext(path);
          const isInto = to.endsWith('/') || paths.length > 1;
          const target = at(isInto ? join(to, path) : to);
          mkdirSync(dirname(target), { recursive: true });
          cpSync(source, target, { recursive: true });
        }
        break;
      }
      case 'RUN': {
        const run = Bun.spawnSync(['sh', '-c', rest], {
          cwd: at(''),
          env: environmentOf(image),
        });
        if (!run.success) throw new Error(`RUN ${rest}: ${run.stderr}`);
        break;
      }
      case 'USER':
        image.user = rest;
        break;
      case 'VOLUME':
        image.volumes.push(rest);
        break;
      case 'EXPOSE':
        break;
      case 'HEALTHCHECK':
        image.healthCheck = JSON.parse(rest.slice(rest.indexOf('[')));
        break;
      case 'CMD':
        image.command = JSON.parse(rest);
        break;
      default:
        throw new Error(`Dockerfile: ${instruction} is not known here`);
    }
  }
  return image;
}

/** The environment of the image's processes, with this machine's programs. */
export function environmentOf(image: Image): Record<string, string> {
  const path = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`;
  return { HOME: process.env.HOME ?? '', ...image.env, PATH: path };
}

function* steps(): Generator<[instruction: string, rest: string]> {
  const text = readFileSync(join(root, 'Dockerfile'), 'utf8');
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [instruction = ''] = line.split(' ');
    yield [instruction, line.slice(instruction.length + 1)];
  }
}

/** A path of the build context, which .dockerignore limits. */
function inContext(path: string): string {
  const allowed = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('!') ? line.slice(1) : []));
  if (!allowed.some((pattern) => new Glob(pattern).match(path))) {
    throw new Error(`.dockerignore leaves ${path} out`);
  }
  if (!existsSync(join(root, path))) throw new Error(`there is no ${path}`);
  return join(root, path);
}
