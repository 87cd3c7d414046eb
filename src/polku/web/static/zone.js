// Tell the server in which time zone this browser is, so that times are the reader's. The first page was drawn without
// knowing it: it is fetched once more where the zone is another one.
import { swap } from "./swap.js";

export async function tellZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  document.cookie = `tz=${zone}; Path=/; Max-Age=31536000; SameSite=Lax`;
  const { zone: shown, zoneBy: by, zoneSeen: seen } = document.body.dataset;
  if (shown === undefined || by === "chosen" || seen === zone) return;
  if (shown === zone) return; // the right one by chance: nothing on the page would change
  const { classList } = document.documentElement;
  classList.add("settling"); // the same moments said otherwise are no news: nothing fades
  await swap(location.href);
  classList.remove("settling");
}
