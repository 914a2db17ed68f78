type Json = Record<string, unknown>;

/**
 * Copies a document with references in place of the schemas that have a `title`, each of which is collected
 * once under that name.
 *
 * @returns the document, and the schemas by their names, for its `components`
 */
export function hoist(document: object): { document: Json; schemas: Json } {
  const schemas: Json = {};
  const copy = JSON.parse(JSON.stringify(document), (_, value) => {
    const { title, type } = (value ?? {}) as { title?: unknown; type?: unknown };
    if (typeof title !== 'string' || type !== 'object') return value;
    schemas[title] ??= value;
    return { $ref: `#/components/schemas/${title}` };
  }) as Json;
  const inOrder = Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1));
  return { document: copy, schemas: Object.fromEntries(inOrder) };
}
