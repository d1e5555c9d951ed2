/* In the place of schtasks.exe, of which Wine only has /Create and /Delete: keeps definitions in C:\scripted-schtasks, and really starts the
 * program of one. Every call is noted in C:\scripted-schtasks\calls. As on Windows, /Run of a task whose program still runs does nothing
 * and succeeds (IgnoreNew), and /End kills that program alone. Answers come in German: nobody may read them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#define FOLDER L"C:\\scripted-schtasks\\"

static int failed(const char *why)
{
    fprintf(stderr, "FEHLER: %s\n", why);
    return 1;
}

/* The text of an element, with its references resolved. */
static wchar_t *element(const char *xml, const char *name)
{
    char tag[64];
    snprintf(tag, sizeof tag, "<%s>", name);
    const char *from = strstr(xml, tag);
    wchar_t *text = calloc(4096, sizeof *text), *to = text;
    if (!from) return text;
    for (from += strlen(tag); *from && strncmp(from, "</", 2) && to < text + 4000;) {
        if (!strncmp(from, "&#x", 3)) {
            unsigned long code = strtoul(from + 3, (char **)&from, 16);
            if (code > 0xffff) {
                *to++ = 0xd800 + ((code - 0x10000) >> 10);
                code = 0xdc00 + ((code - 0x10000) & 0x3ff);
            }
            *to++ = code;
            from++;
        } else if (!strncmp(from, "&amp;", 5)) *to++ = '&', from += 5;
        else if (!strncmp(from, "&lt;", 4)) *to++ = '<', from += 4;
        else if (!strncmp(from, "&gt;", 4)) *to++ = '>', from += 4;
        else *to++ = *from++;
    }
    return text;
}

static HANDLE running(const wchar_t *file)
{
    DWORD process = 0, code;
    FILE *f = _wfopen(file, L"r");
    if (!f) return NULL;
    if (fscanf(f, "%lu", &process) != 1) process = 0;
    fclose(f);
    HANDLE handle = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_TERMINATE, FALSE, process);
    if (handle && GetExitCodeProcess(handle, &code) && code == STILL_ACTIVE) return handle;
    return NULL;
}

static int run(const wchar_t *definition, const wchar_t *process_file)
{
    static char xml[65536];
    FILE *f = _wfopen(definition, L"rb");
    xml[fread(xml, 1, sizeof xml - 1, f)] = 0;
    fclose(f);
    if (running(process_file)) return 0;
    static wchar_t line[16384];
    _snwprintf(line, 16383, L"\"%ls\" %ls", element(xml, "Command"), element(xml, "Arguments"));
    STARTUPINFOW start = { .cb = sizeof start };
    PROCESS_INFORMATION started;
    if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, CREATE_NEW_CONSOLE, NULL, element(xml, "WorkingDirectory"), &start, &started))
        return failed("CreateProcess");
    f = _wfopen(process_file, L"w");
    fprintf(f, "%lu\n", started.dwProcessId);
    fclose(f);
    return 0;
}

int wmain(int count, wchar_t **words)
{
    CreateDirectoryW(L"C:\\scripted-schtasks", NULL);
    FILE *calls = _wfopen(FOLDER L"calls", L"a, ccs=UTF-8");
    for (int n = 1; n < count; n++) fwprintf(calls, L"%ls%ls", words[n], n + 1 < count ? L" " : L"\n");
    fclose(calls);
    if (count < 4 || wcscmp(words[2], L"/TN")) return failed("Syntax");
    static wchar_t definition[1024], process[1024];
    _snwprintf(definition, 1023, FOLDER L"%ls.xml", words[3]);
    _snwprintf(process, 1023, FOLDER L"%ls.process", words[3]);
    if (!wcscmp(words[1], L"/Create")) {
        if (count != 7 || wcscmp(words[4], L"/XML") || wcscmp(words[6], L"/F")) return failed("Syntax");
        return CopyFileW(words[5], definition, FALSE) ? 0 : failed("CopyFile");
    }
    if (GetFileAttributesW(definition) == INVALID_FILE_ATTRIBUTES)
        return failed("Das System kann die angegebene Datei nicht finden.");
    if (!wcscmp(words[1], L"/Query")) return 0;
    if (!wcscmp(words[1], L"/Run")) return run(definition, process);
    if (!wcscmp(words[1], L"/End")) {
        HANDLE handle = running(process);
        return handle && TerminateProcess(handle, 0x41306) ? 0 : failed("Es wird keine Instanz ausgefuehrt.");
    }
    if (!wcscmp(words[1], L"/Delete")) return DeleteFileW(definition) ? 0 : failed("DeleteFile");
    return failed("Syntax");
}
