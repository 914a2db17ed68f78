/** The user that a token names; undefined where it is no JWT. It is the server's to verify it. */
export function subjectOf(token: string | undefined): string | undefined {
  const [, claims = ''] = token?.split('.') ?? [];
  try {
    const text = atob(claims.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub;
  } catch {
    return undefined;
  }
}
