/* Runs before the first paint: the theme and the language of this device, so that a dark cabin never sees a white flash. */
(function () {
  var root = document.documentElement;
  var theme = null;
  var lang = null;
  try {
    theme = localStorage.getItem('egide.theme');
    lang = localStorage.getItem('egide.lang');
  } catch (refused) {
    /* Storage may be switched off: the defaults below are good. */
  }
  if (theme !== 'day' && theme !== 'night' && theme !== 'red') {
    theme = window.matchMedia('(prefers-color-scheme: dark)').matches ? 'night' : 'day';
  }
  root.dataset.theme = theme;
  root.lang = lang === 'en' ? 'en' : 'fr';
})();
