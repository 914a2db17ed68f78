import { hueOf, initials } from './names.ts';

/** A person's colour and initials. */
export function Avatar({ name, isSmall = false }: { name: string; isSmall?: boolean }) {
  return (
    <span class={`avatar hue-${hueOf(name)} ${isSmall ? 'small' : ''}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
