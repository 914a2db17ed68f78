import { useEffect } from 'preact/hooks';
import { Connect } from './connect.tsx';
import { language, t } from './i18n.ts';
import { keptSession } from './kept.ts';
import { me, Session } from './session.ts';
import { useStore } from './store.ts';
import { theme } from './theme.ts';
import { Workspace } from './workspace.tsx';

const kept = keptSession();
if (kept) me.set(new Session(kept));

export function App() {
  const spoken = useStore(language);
  const session = useStore(me);
  const shade = useStore(theme);
  useEffect(() => {
    document.documentElement.lang = spoken;
    document.title = session ? document.title : t('title');
  }, [spoken, session]);
  useEffect(() => {
    document.documentElement.dataset.theme = shade;
  }, [shade]);
  return session ? <Workspace key={spoken} session={session} /> : <Connect key={spoken} />;
}
