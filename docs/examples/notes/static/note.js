// Notes: when they were changed, in the reader's own words, and the form to write one.

const $ = (id) => document.getElementById(id);
const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function tellTimes() {
  for (const time of document.querySelectorAll("time[data-seconds]")) {
    const then = new Date(time.dataset.seconds * 1000);
    const ago = Date.now() / 1000 - time.dataset.seconds;
    const [unit, seconds] = UNITS.find(([, seconds]) => ago >= seconds) ?? ["second", 60];
    time.dateTime = then.toISOString();
    time.title = then.toLocaleString();
    if (ago > 7 * 86400) time.textContent = then.toLocaleDateString();
    else if (unit === "second") time.textContent = "just now";
    else time.textContent = words.format(-Math.floor(ago / seconds), unit);
  }
}

tellTimes();
setInterval(tellTimes, 30_000);

const picture = $("picture");
picture?.addEventListener("change", () => {
  const [file] = picture.files;
  const fits = !file || file.size < picture.dataset.largest - 20_000; // the other fields need some
  picture.setCustomValidity(fits ? "" : "This picture is larger than 5 MB.");
  picture.reportValidity();
  $("preview").hidden = !file || !fits;
  if (file && fits) $("preview").src = URL.createObjectURL(file);
});

$("delete")?.addEventListener("click", () => $("sure").showModal());
$("keep")?.addEventListener("click", () => $("sure").close());
