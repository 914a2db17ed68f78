import { API_KEY } from './people.ts';

/** The keywords of a JSON Schema that are used here. */
export interface Schema {
  type?: string | string[];
  $ref?: string;
  examples?: unknown[];
  example?: unknown;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  required?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  format?: string;
}

/** A parameter or body of a request. */
export interface Field {
  name: string;
  place: 'path' | 'query' | 'body';
  schema: Schema;
  isRequired: boolean;
}

interface Described {
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema; example?: unknown }> };
  responses?: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}

/** An operation of the OpenAPI document of a server, and requests for it. */
export class Operation {
  readonly fields: Field[];
  readonly #example: Record<string, unknown>;

  constructor(
    readonly method: string,
    readonly path: string,
    private readonly described: Described,
    private readonly resolve: (schema: Schema) => Schema,
  ) {
    const parameters = (described.parameters ?? []).flatMap((each): Field[] => {
      if (each.in !== 'path' && each.in !== 'query') return [];
      const schema = resolve(each.schema ?? {});
      return [{ name: each.name, place: each.in, schema, isRequired: each.required ?? false }];
    });
    const content = described.requestBody?.content['application/json'];
    const body = content && resolve(content.schema);
    const inBody = Object.entries(body?.properties ?? {}).map(
      ([name, schema]): Field => ({
        name,
        place: 'body',
        schema: resolve(schema),
        isRequired: body?.required?.includes(name) ?? false,
      }),
    );
    this.fields = [...parameters, ...inBody];
    this.#example = (content?.example ?? body?.examples?.[0] ?? body?.example ?? {}) as Record<
      string,
      unknown
    >;
  }

  /** The schema of a reply, if the document has one for its status and type. */
  replySchema(status: number, type: string): Schema | undefined {
    const schema = this.described.responses?.[status]?.content?.[type]?.schema;
    return schema && this.resolve(schema);
  }

  /** Whether the document says that such a status may come. */
  mayReply(status: number): boolean {
    return this.described.responses?.[status] !== undefined;
  }

  /**
   * A request as the examples have it, but for some of its fields.
   *
   * @param values by name; undefined ones are left out
   */
  request(
    url: string,
    values: Record<string, unknown>,
    headers: Record<string, string> = { authorization: `Bearer ${API_KEY}` },
  ): [url: string, init: RequestInit] {
    const body: Record<string, unknown> = { ...this.#example };
    const query = new URLSearchParams();
    let path = this.path;
    for (const { name, place, schema, isRequired } of this.fields) {
      const example = schema.examples?.[0] ?? schema.example ?? schema.default ?? 'x';
      const value = Object.hasOwn(values, name) ? values[name] : isRequired ? example : undefined;
      if (place === 'path') {
        path = path.replace(`{${name}}`, () => encodeURIComponent(wellFormed(value)));
      } else if (place === 'query') {
        if (value !== undefined) query.set(name, wellFormed(value));
      } else if (Object.hasOwn(values, name)) {
        body[name] = value;
      }
    }
    const hasBody = this.described.requestBody !== undefined;
    return [
      `${url}${path}${query.size > 0 ? `?${query}` : ''}`,
      {
        method: this.method,
        redirect: 'manual',
        headers: { ...headers, ...(hasBody && { 'content-type': 'application/json' }) },
        ...(hasBody && { body: JSON.stringify(body) }),
      },
    ];
  }
}

/** The operations that a server describes at `/swagger/json`. */
export async function operationsOf(url: string): Promise<Operation[]> {
  const document = await (await fetch(`${url}/swagger/json`)).json();
  const resolve = (schema: Schema): Schema => {
    if (!schema.$ref) return schema;
    const found = schema.$ref
      .split('/')
      .slice(1)
      .reduce((at, key) => at?.[key], document);
    return resolve(found as Schema);
  };
  return Object.entries(document.paths as Record<string, Record<string, Described>>).flatMap(
    ([path, operations]) =>
      Object.entries(operations).map(
        ([method, described]) => new Operation(method.toUpperCase(), path, described, resolve),
      ),
  );
}

function wellFormed(value: unknown): string {
  return (typeof value === 'object' ? JSON.stringify(value) : String(value)).toWellFormed();
}
