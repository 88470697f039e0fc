// Which language does the page speak, and what does it say for a name? Texts are in ../texts/, one file per language.

import english from '../texts/en.js';

/** Language tag to the language's own name, in the order of the switch. */
export const LANGUAGES = { en: 'English', uk: 'Українська', fr: 'Français' };

const LOADERS = {
  en: async () => english,
  uk: async () => (await import('../texts/uk.js')).default,
  fr: async () => (await import('../texts/fr.js')).default,
};

/** The first of the wanted tags (`fr-CA`) that there is a translation for; English otherwise. */
export function chosen(wanted) {
  for (const tag of wanted) {
    const base = String(tag).toLowerCase().split('-')[0];
    if (Object.hasOwn(LANGUAGES, base)) return base;
  }
  return 'en';
}

/** The texts of a language. */
export const load = (language) => LOADERS[language]();

/**
 * A function `t(name, values)` over a catalogue. A text is a string with `{value}` in it, or an object of plural categories that is
 * chosen by `values.n`. What a catalogue lacks is taken from English.
 */
export function translator(language, catalogue, write = {}) {
  const plurals = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  const show = (value) => (typeof value === 'number' ? (write.count ?? ((n) => number.format(n)))(value) : String(value));
  const t = (name, values = {}) => {
    let text = catalogue[name] ?? english[name];
    if (text === undefined) return name;
    if (typeof text === 'object') text = text[plurals.select(values.n)] ?? text.other;
    return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? show(values[key]) : whole));
  };
  /** The text of this name if there is one, else `other`: for words that a newer proxy may say. */
  t.or = (name, other) => (name in catalogue || name in english ? t(name) : other);
  return t;
}
