/** The users that may call a route, as the padlocks of the documentation show it. */
export const access = {
  /** Everyone, even in `AUTH=required`. */
  public: { security: [] },
  /** Users with a token and, in `AUTH=open`, guests. */
  open: {},
  /** Users with a token, even in `AUTH=open`. */
  token: { security: [{ bearer: [] }] },
};

/**
 * The documentation of a route.
 *
 * @param operationId the name of the operation in generated clients
 * @param summary an imperative
 */
export function describe(
  operationId: string,
  summary: string,
  description: string,
  { security }: { security?: { bearer: string[] }[] } = access.open,
) {
  return { operationId, summary, description, ...(security && { security }) };
}
