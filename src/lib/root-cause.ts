/** The innermost cause of an error: the source's own error, which libraries wrap in theirs. */
export function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof Error && cause.cause) cause = cause.cause;
  return cause ?? {};
}

/** The message of the innermost cause, for logs: without the statement and its parameters, which hold users' content. */
export function rootMessage(error: unknown): string {
  const cause = rootCause(error);
  return cause instanceof Error && cause.message ? cause.message : String(cause);
}
