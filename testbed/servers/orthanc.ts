import { writeFileSync } from 'node:fs';
import { glob, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackedPackages, withDependencies } from '../real/packages.ts';
import { serverFolder, startOnFreePort } from './process.ts';

/** A real Orthanc, the PACS of Debian's packages, with its DICOMweb plugin, on the loopback address. */
export interface OrthancServer {
  /** The address of DICOMweb: such as http://127.0.0.1:34567/dicom-web. */
  readonly dicomWeb: string;
  stop(): Promise<void>;
}

/** Starts Orthanc; the first call downloads it. */
export async function startOrthanc(): Promise<OrthancServer> {
  const root = await unpackedPackages('orthanc', await withDependencies(['orthanc', 'orthanc-dicomweb']));
  const folder = await serverFolder('orthanc');
  const [dictionary] = await Array.fromAsync(glob(join(root, 'usr/share/libdcmtk*/dicom.dic')));
  const { port, server } = await startOnFreePort((port) => {
    const file = join(folder, `orthanc-${port}.json`);
    writeFileSync(file, JSON.stringify(settingsOf(root, folder, port)));
    return {
      command: join(root, 'usr/sbin/Orthanc'),
      args: [file],
      env: { ...process.env, LD_LIBRARY_PATH: join(root, 'usr/lib/x86_64-linux-gnu'), DCMDICTPATH: dictionary },
      isReady: async () => (await fetch(`http://127.0.0.1:${port}/dicom-web/studies`)).ok,
    };
  });
  return {
    dicomWeb: `http://127.0.0.1:${port}/dicom-web`,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const settingsOf = (root: string, folder: string, port: number) => ({
  StorageDirectory: folder,
  IndexDirectory: folder,
  HttpPort: port,
  RemoteAccessAllowed: false,
  AuthenticationEnabled: false,
  DicomServerEnabled: false,
  Plugins: [join(root, 'usr/share/orthanc/plugins/libOrthancDicomWeb.so')],
  DicomWeb: { Enable: true, Root: '/dicom-web/' },
});
