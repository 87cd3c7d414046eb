// Tells when videos of YouTube that are set into a page start and finish. Loaded by data-modules="youtube". It speaks
// with the player by messages alone: nothing is fetched from YouTube that the page did not set in itself.
const HOSTS = /^https:\/\/www\.youtube(-nocookie)?\.com$/;
const ENDED = 0;
const PLAYING = 1;

export default function (polku) {
  const players = new Map(); // what is known of each frame

  // A player answers only who has asked: "listening" is how YouTube's own script begins.
  function ask(frame) {
    let address;
    try {
      address = new URL(frame.src);
    } catch (error) {
      return; // a frame without an address yet
    }
    const id = /^\/embed\/([\w-]+)/.exec(address.pathname);
    if (!HOSTS.test(address.origin) || !id) return;
    if (address.searchParams.get("enablejsapi") != "1") {
      address.searchParams.set("enablejsapi", "1"); // without it a player tells nothing
      address.searchParams.set("origin", location.origin);
      frame.src = address.href;
    }
    const player = { id: id[1], origin: address.origin, told: "" };
    players.set(frame, player);
    let asked = 0;
    (function again() {
      if (player.heard || ++asked > 40 || players.get(frame) != player) return;
      const said = JSON.stringify({ event: "listening", id: player.id, channel: "widget" });
      if (frame.contentWindow) frame.contentWindow.postMessage(said, player.origin);
      setTimeout(again, 500);
    })();
  }

  function heard(event) {
    if (!HOSTS.test(event.origin) || typeof event.data != "string") return;
    for (const [frame, player] of players) {
      if (frame.contentWindow != event.source) continue;
      let message;
      try {
        message = JSON.parse(event.data);
      } catch (error) {
        return; // not the player's
      }
      player.heard = true;
      const info = message.info;
      if (!info || typeof info != "object") return tell(player, frame, info);
      if (info.videoData && info.videoData.title) player.title = info.videoData.title;
      if (info.videoData && info.videoData.video_id) player.id = info.videoData.video_id;
      if (info.duration) player.duration = Math.round(info.duration);
      return tell(player, frame, info.playerState);
    }
  }

  function tell(player, frame, state) {
    const name = state == PLAYING ? "Video Started" : state == ENDED ? "Video Finished" : "";
    const what = name + player.id;
    // paused and played on is one start; what has ended and is played again is another
    if (!name || player.told == what || (name == "Video Finished" && player.told != "Video Started" + player.id)) return;
    player.told = what;
    polku.track(name, {
      title: player.title || frame.title || player.id,
      url: "https://youtu.be/" + player.id, // parameters of addresses are not kept
      video_id: player.id,
      duration: player.duration || 0,
    });
  }

  const look = () => document.querySelectorAll("iframe[src*='youtube']").forEach((frame) => players.has(frame) || ask(frame));
  addEventListener("message", heard);
  new MutationObserver(look).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] });
  look();
}
