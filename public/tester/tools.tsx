import { useState } from 'preact/hooks';
import { IconButton } from './button.tsx';
import { Help } from './help.tsx';
import { LANGUAGES, language, speak, t } from './i18n.ts';
import { useKey } from './keyboard.ts';
import { useStore } from './store.ts';
import { switchTheme, theme } from './theme.ts';

const THEME_ICONS = { system: 'system', light: 'sun', dark: 'moon' } as const;

/** What is always at hand: language, theme, help. */
export function Tools() {
  const spoken = useStore(language);
  const shade = useStore(theme);
  const [isHelping, setHelping] = useState(false);
  useKey('?', () => setHelping(true));
  const other = spoken === 'en' ? 'id' : 'en';
  const label = t('themeIs', { theme: t(`theme.${shade}`) });
  return (
    <div class="tools">
      <button
        type="button"
        class="icon-button language"
        lang={other}
        title={LANGUAGES[other]}
        onClick={() => speak(other)}
      >
        {spoken.toUpperCase()}
        <span class="unseen"> {LANGUAGES[other]}</span>
      </button>
      <IconButton icon={THEME_ICONS[shade]} label={label} onClick={switchTheme} />
      <IconButton icon="help" label={t('help')} onClick={() => setHelping(true)} />
      {isHelping && <Help onClose={() => setHelping(false)} />}
    </div>
  );
}
