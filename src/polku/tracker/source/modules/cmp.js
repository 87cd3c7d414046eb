// Takes consent from the consent tools that shops have: IAB TCF 2, Cookiebot, OneTrust, and WordPress's WP Consent API
// (Complianz, CookieYes and others). Loaded by data-modules="cmp". A tool that has no answer yet gives none to Polku.
export default function (polku) {
  let known = "";

  function tell(source, purposes) {
    const text = JSON.stringify(purposes);
    if (text == known) return;
    known = text;
    polku.consent(purposes, { source });
  }

  // IAB TCF 2: purpose 1 is storing on the device, 8 measuring content, 2-4 and 7 advertising, 5 and 6 personal content
  function tcf() {
    if (typeof window.__tcfapi != "function") return false;
    window.__tcfapi("addEventListener", 2, (data, ok) => {
      if (!ok || !["tcloaded", "useractioncomplete"].includes(data.eventStatus)) return;
      const given = (data.purpose && data.purpose.consents) || {};
      const all = (...numbers) => data.gdprApplies === false || numbers.every((number) => given[number] === true);
      tell("iab-tcf", { analytics: all(1, 8), ads: all(1, 2, 3, 4, 7), personalisation: all(1, 5, 6) });
    });
    return true;
  }

  function cookiebot() {
    const tool = window.Cookiebot;
    if (!tool || !tool.hasResponse) return;
    const { statistics, marketing, preferences } = tool.consent;
    tell("cookiebot", { analytics: !!statistics, ads: !!marketing, personalisation: !!preferences });
  }

  function oneTrust() {
    const tool = window.OneTrust;
    if (!tool || !tool.IsAlertBoxClosed || !tool.IsAlertBoxClosed()) return;
    const has = (group) => String(window.OnetrustActiveGroups).split(",").includes(group);
    tell("onetrust", { analytics: has("C0002"), ads: has("C0004"), personalisation: has("C0003") });
  }

  function wordpress(asked) {
    // the API has no word for "not asked yet": what nobody has chosen is only believed when it says yes
    const has = window.wp_has_consent;
    if (typeof has != "function") return;
    const purposes = {
      analytics: has("statistics"),
      ads: has("marketing"),
      personalisation: has("preferences"),
    };
    if (asked || purposes.analytics) tell("wp-consent-api", purposes);
  }

  addEventListener("CookiebotOnConsentReady", cookiebot);
  addEventListener("CookiebotOnAccept", cookiebot);
  addEventListener("CookiebotOnDecline", cookiebot);
  addEventListener("OneTrustGroupsUpdated", oneTrust);
  document.addEventListener("wp_listen_for_consent_change", () => wordpress(true));
  cookiebot();
  oneTrust();
  wordpress(false);
  let looks = 0;
  (function look() {
    // the consent tool may load after this module
    if (!tcf() && ++looks < 20) setTimeout(look, 500);
  })();
}
