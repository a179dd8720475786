import type { Setting, Settings } from '../../contract';

/** Settings in which one is another. */
export function withSetting(settings: Settings, setting: Setting): Settings {
  if ('autostart' in setting) {
    return { ...settings, autostart: setting.autostart };
  }
  if ('notifications' in setting) {
    return { ...settings, notifications: setting.notifications };
  }
  if ('limit-up' in setting) {
    return { ...settings, limit_up: setting['limit-up'] };
  }
  if ('limit-down' in setting) {
    return { ...settings, limit_down: setting['limit-down'] };
  }
  if ('pause-on-battery' in setting) {
    return { ...settings, pause_on_battery: setting['pause-on-battery'] };
  }
  if ('pause-on-metered' in setting) {
    return { ...settings, pause_on_metered: setting['pause-on-metered'] };
  }
  return { ...settings, look: setting.look };
}
