/**
 * A part that is loaded when it is first used, once. Browsers may remember for good that an address could
 * not be loaded (https://github.com/whatwg/html/issues/6768), and name it in the error: the next time the
 * part is asked for under another one.
 */
export function lazy<Part>(load: () => Promise<Part>): () => Promise<Part> {
  let get = load;
  let part: Promise<Part> | undefined;
  return () => {
    part ??= get().catch((error) => {
      part = undefined;
      const address = /http[^?\s]+/.exec(error.message);
      if (address) get = () => import(`${address}?${Date.now()}`);
      throw error;
    });
    return part;
  };
}
