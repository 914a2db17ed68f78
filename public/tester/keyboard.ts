import { useEffect } from 'preact/hooks';

/** Does something on a key, wherever the focus is but in a text or a sheet. `alt+` keys go everywhere. */
export function useKey(key: string, run: () => void): void {
  useEffect(() => {
    const end = new AbortController();
    document.addEventListener(
      'keydown',
      (event) => {
        const name = `${event.altKey ? 'alt+' : ''}${event.key}`;
        if (name !== key || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
        const { target } = event;
        const isInText = target instanceof Element && target.closest('input, textarea, select');
        if ((isInText && !event.altKey) || document.querySelector('dialog[open]')) return;
        event.preventDefault();
        run();
      },
      end,
    );
    return () => end.abort();
  });
}
