import { Dialog } from './dialog.tsx';
import { type TextKey, t } from './i18n.ts';

const KEYS: readonly (readonly [keys: string, does: TextKey])[] = [
  ['?', 'key.help'],
  ['/', 'key.search'],
  ['m', 'key.compose'],
  ['n', 'key.notifications'],
  ['Alt ↑ / ↓', 'key.rooms'],
  ['Enter', 'key.send'],
  ['Shift Enter', 'key.newline'],
  ['↑', 'key.editLast'],
  ['↑ / ↓', 'key.messages'],
  ['r  e  +  Delete', 'key.message'],
  ['Esc', 'key.close'],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t('keyboard')} onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([keys, does]) => (
          <div key={does}>
            <dt>
              {keys
                .split(/(?<=\S) {1,2}/)
                .map((part) => (part === '/' ? ' / ' : <kbd key={part}>{part}</kbd>))}
            </dt>
            <dd>{t(does)}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">
        <a href="/swagger">{t('restDocs')}</a> · <a href="/asyncapi.json">AsyncAPI</a> ·{' '}
        <a href="/ws-info">/ws-info</a>
      </p>
    </Dialog>
  );
}
