import { describe, expect, mock, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import createClient from 'openapi-fetch';
import typescript5 from 'typescript-5';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();
const root = new URL('../..', import.meta.url).pathname;

interface Content {
  schema: { $ref?: string; items?: { $ref?: string } };
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}
interface Operation {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  security?: object[];
  parameters?: { name: string; example?: unknown; schema: { default?: unknown } }[];
  requestBody?: { content: Record<string, Content> };
  responses: Record<string, { description: string; content?: Record<string, Content> }>;
}
interface Document {
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

const source = await (await server.fetch('/swagger/json')).text();
const document: Document = JSON.parse(source);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    route: `${method.toUpperCase()} ${path}`,
    ...operation,
  })),
);

describe('the OpenAPI document', () => {
  test('passes the linter, its examples included', async () => {
    const config = await createConfig({
      extends: ['recommended-strict'],
      rules: {
        'operation-description': 'error',
        'operation-singular-tag': 'error',
        'tag-description': 'error',
        'parameter-description': 'error',
        'no-unused-components': 'error',
        'no-invalid-media-type-examples': 'error',
        'no-invalid-schema-examples': 'error',
        'no-invalid-parameter-examples': 'error',
        // Probes take no input and are not counted.
        'operation-4xx-response': 'off',
      },
    });
    const found = await lintFromString({ source, absoluteRef: 'openapi.json', config });
    expect(
      found.map(({ ruleId, message, location }) => [ruleId, location[0]?.pointer, message]),
    ).toEqual([]);
  });

  test('has every route that is not a page, under the name that a generated client gives it', () => {
    expect(
      Object.fromEntries(operations.map(({ route, operationId }) => [operationId, route])),
    ).toEqual({
      addMember: 'PUT /rooms/{room}/members/{username}',
      addReaction: 'PUT /messages/{id}/reactions/{emoji}',
      banFromRoom: 'PUT /rooms/{room}/bans/{username}',
      banUser: 'PUT /users/{username}/ban',
      broadcastEvent: 'POST /rooms/{room}/events',
      changePassword: 'PUT /me/password',
      createRoom: 'POST /rooms',
      createUser: 'POST /users',
      deleteMessage: 'DELETE /messages/{id}',
      deleteRoom: 'DELETE /rooms/{room}',
      editMessage: 'PATCH /messages/{id}',
      getAsyncApi: 'GET /asyncapi.json',
      getHealth: 'GET /health',
      getMember: 'GET /rooms/{room}/members/{username}',
      getMessage: 'GET /messages/{id}',
      getMetrics: 'GET /metrics',
      getReadiness: 'GET /ready',
      getRoom: 'GET /rooms/{room}',
      getUser: 'GET /users/{username}',
      getWsInfo: 'GET /ws-info',
      listActiveUsers: 'GET /users/active',
      listBans: 'GET /rooms/{room}/bans',
      listMembers: 'GET /rooms/{room}/members',
      listMessages: 'GET /messages',
      listMutes: 'GET /rooms/{room}/mutes',
      listMyRooms: 'GET /me/rooms',
      listNotifications: 'GET /notifications',
      listRooms: 'GET /rooms',
      markNotificationRead: 'PUT /notifications/{id}/read',
      muteInRoom: 'PUT /rooms/{room}/mutes/{username}',
      postMessage: 'POST /messages',
      removeMember: 'DELETE /rooms/{room}/members/{username}',
      removeReaction: 'DELETE /messages/{id}/reactions/{emoji}',
      searchMessages: 'GET /messages/search',
      sendNotice: 'POST /notifications',
      signIn: 'POST /sessions',
      signOutEverywhere: 'DELETE /sessions',
      streamEvents: 'GET /events',
      unbanFromRoom: 'DELETE /rooms/{room}/bans/{username}',
      unbanUser: 'DELETE /users/{username}/ban',
      unmuteInRoom: 'DELETE /rooms/{room}/mutes/{username}',
      updateRoom: 'PATCH /rooms/{room}',
    });
    const known = new Set(operations.map(({ route }) => route));
    const pages = /^(GET|OPTIONS) \/($|\*|test|swagger|ws$|client[./])/;
    const undocumented = server.routes
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
      .filter((route) => !known.has(route) && !pages.test(route));
    expect(undocumented).toEqual([]);
  });

  test('names its schemas, and says of each route what it does and how it answers, with examples', () => {
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining([
        'Message',
        'MyRoom',
        'NewMessage',
        'Notification',
        'Problem',
        'Room',
        'Session',
        'User',
      ]),
    );
    const tags = document.tags.map(({ name }) => name);
    for (const {
      route,
      summary,
      description,
      requestBody,
      responses,
      tags: own,
      parameters,
    } of operations) {
      expect({ route, summary, ends: summary.endsWith('.') }).toEqual({
        route,
        summary,
        ends: false,
      });
      expect(description.length).toBeGreaterThan(5);
      expect(tags).toEqual(expect.arrayContaining(own));
      for (const { name, example, schema } of parameters ?? []) {
        const isFree = ['before', 'after', 'token'].includes(name) || schema.default !== undefined;
        expect({ route, name, hasExample: example !== undefined || isFree }).toEqual({
          route,
          name,
          hasExample: true,
        });
      }
      const contents = [
        ...Object.entries(requestBody?.content ?? {}).map(([type, content]) => ({
          at: 'body',
          type,
          ...content,
        })),
        ...Object.entries(responses)
          .filter(([status]) => status !== 'default')
          .flatMap(([at, { content = {} }]) =>
            Object.entries(content).map(([type, each]) => ({ at, type, ...each })),
          ),
      ];
      for (const { at, type, schema, example, examples } of contents) {
        const isNamed = Boolean(schema.$ref ?? schema.items?.$ref);
        const isText =
          ['/users/active', '/asyncapi.json'].some((path) => route.endsWith(path)) ||
          type.startsWith('text/');
        expect({
          route,
          at,
          hasExample: example !== undefined || Boolean(examples),
          isNamed: isNamed || isText,
        }).toEqual({
          route,
          at,
          hasExample: true,
          isNamed: true,
        });
        if (at >= '400' && at !== 'body') expect(type).toBe('application/problem+json');
      }
      expect(Object.keys(responses)).toContain('default');
    }
  });

  test('has a padlock on routes that need a token, and none on the others', () => {
    const lockOf = ({ security }: Operation) =>
      security === undefined ? 'open' : security.length > 0 ? 'token' : 'public';
    const byLock = Object.groupBy(operations, lockOf);
    const names = (lock: 'public' | 'token') =>
      byLock[lock]?.map(({ operationId }) => operationId).sort();
    expect(names('public')).toEqual([
      'getAsyncApi',
      'getHealth',
      'getReadiness',
      'getWsInfo',
      'signIn',
    ]);
    expect(names('token')).toEqual([
      'addMember',
      'banFromRoom',
      'banUser',
      'broadcastEvent',
      'changePassword',
      'createRoom',
      'deleteRoom',
      'listBans',
      'listMutes',
      'muteInRoom',
      'removeMember',
      'sendNotice',
      'signOutEverywhere',
      'unbanFromRoom',
      'unbanUser',
      'unmuteInRoom',
      'updateRoom',
    ]);
  });

  test('asks for the same kind of password on every route that sets one', () => {
    const { NewUser, NewPassword } = document.components.schemas as Record<
      string,
      { properties: { password: object } }
    >;
    expect(NewUser?.properties.password).toEqual(NewPassword?.properties.password as object);
  });

  test('is built once, and not sent again to clients that have it', async () => {
    const first = await server.fetch('/swagger/json');
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    const again = await server.fetch('/swagger/json', { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect(again.headers.get('etag')).toBe(etag);
  });

  test('gives a typed client that compiles in strict mode and posts a message', async () => {
    // The generator needs the API of TypeScript 5, which later versions do not have.
    mock.module('typescript', () => ({ default: typescript5, ...typescript5 }));
    const { astToString, default: generate } = await import('openapi-typescript');
    const folder = await mkdtemp(join(root, 'test/typed-client-'));
    try {
      await Bun.write(join(folder, 'api.ts'), astToString(await generate(source)));
      await Bun.write(join(folder, 'use.ts'), USE);
      const options = {
        strict: true,
        noEmit: true,
        module: 'esnext',
        moduleResolution: 'bundler',
        target: 'esnext',
        lib: ['esnext', 'dom'],
        types: [],
        allowImportingTsExtensions: true,
      };
      await Bun.write(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options }));
      const tsc = Bun.spawn([join(root, 'node_modules/.bin/tsc'), '-p', folder]);
      expect(await new Response(tsc.stdout).text()).toBe('');
      expect(await tsc.exited).toBe(0);

      const { use } = await import(join(folder, 'use.ts'));
      const [username, room] = [fresh('ana'), fresh('room')];
      const ben = await server.join('ben', room);
      await use(createClient({ baseUrl: server.url }), username, room);
      expect(await ben.untilType('message')).toMatchObject({ username, content: 'hi' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** The code of a developer with only the document; a line marked as an error must be one. */
const USE = `
import type { Client } from 'openapi-fetch';
import type { components, paths } from './api.ts';

export async function use(api: Client<paths>, username: string, room: string): Promise<void> {
  const user = await api.POST('/users', { body: { username } });
  if (!user.data) throw new Error(user.error.detail);
  const { data, error } = await api.POST('/messages', { body: { username, room, content: 'hi', data: { n: 1 } } });
  if (!data) throw new Error(error.errors?.[0]?.pointer ?? error.code);
  const message: components['schemas']['Message'] = data;
  const seq: number = message.seq;
  const page = await api.GET('/messages', { params: { query: { room, limit: 1 } } });
  const first: string | undefined = page.data?.[0]?.content;
  if (first !== 'hi' || seq !== 1) throw new Error('not what was posted');
  const one = await api.GET('/messages/{id}', { params: { path: { id: message.id } } });
  if (one.data?.createdAt !== message.createdAt) throw new Error('not the same');
  // @ts-expect-error Content is text.
  await api.POST('/messages', { body: { username, content: 5 } });
}
`;
