// What has this person chosen on this browser? Language and colours; nothing else is kept.

const read = (name) => {
  try {
    return localStorage.getItem(`emailproxy.${name}`);
  } catch {
    return null;
  }
};

const write = (name, value) => {
  try {
    if (value === null) localStorage.removeItem(`emailproxy.${name}`);
    else localStorage.setItem(`emailproxy.${name}`, value);
  } catch {
    // Then it is for this visit only.
  }
};

export const chosenLanguage = () => read('language');
export const keepLanguage = (language) => write('language', language);

/** `light`, `dark`, or `system`. */
export const theme = () => document.documentElement.dataset.theme ?? 'system';

export function setTheme(name) {
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  write('theme', name === 'system' ? null : name);
}
