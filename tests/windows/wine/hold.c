/* Holds a file open and shares it with nobody, as some virus scanners and backups do: hold.exe FILE SECONDS. Says when it does. */
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

int main(int count, char **words)
{
    HANDLE file;
    if (count != 3)
        return 2;
    file = CreateFileA(words[1], GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        printf("error %lu\n", GetLastError());
        return 1;
    }
    printf("held\n");
    fflush(stdout);
    Sleep(atoi(words[2]) * 1000);
    CloseHandle(file);
    return 0;
}
