// Which colours does the page begin with? Runs before the first paint, so that nothing flashes; not a module for that reason.
'use strict';
(() => {
  try {
    const chosen = localStorage.getItem('emailproxy.theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that keeps nothing for us follows the system's colours.
  }
})();
