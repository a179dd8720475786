import type { Look } from '../contract';

/** Whether the window is dark. */
export function isDark(look: Look, isDesktopDark: boolean): boolean {
  switch (look) {
    case 'system':
      return isDesktopDark;
    case 'light':
      return false;
    case 'dark':
      return true;
  }
}
