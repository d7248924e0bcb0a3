/** The files that a drop, a paste or a choice brings along; of folders, only what is named like a photograph. */

const PHOTOGRAPH = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif)$/i;

export async function filesOfDrop(dataTransfer) {
  const entries = Array.from(dataTransfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return Array.from(dataTransfer.files);
  const files = await Promise.all(
    entries.map((entry) => (entry.isDirectory ? filesIn(entry) : fileOf(entry).then((file) => [file]))),
  );
  return files.flat();
}

export function filesOfFolder(files) {
  return Array.from(files).filter((file) => PHOTOGRAPH.test(file.name));
}

async function filesIn(folder) {
  const reader = folder.createReader();
  const files = [];
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // some at a time
    if (!entries.length) return files;
    for (const entry of entries) {
      if (entry.isDirectory) files.push(...(await filesIn(entry)));
      else if (PHOTOGRAPH.test(entry.name)) files.push(await fileOf(entry));
    }
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
